/** Puts text on the clipboard, on plain http too, and says whether it is there. */

/** `source` shows the text; it is selected where the browser copies nothing without a selection. */
export async function copyText(text: string, source: HTMLElement | null): Promise<boolean> {
  if (window.isSecureContext) {
    const isWritten = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    if (isWritten) return true;
  }
  return copyByEvent(text, source);
}

/**
 * The clipboard's own interface needs https. The copy command needs none, and the text is given to its event: a selection
 * in an element beside the dialog would be taken away by the dialog, which keeps the focus.
 */
function copyByEvent(text: string, source: HTMLElement | null): boolean {
  let isGiven = false as boolean;
  const give = (event: ClipboardEvent) => {
    if (!event.clipboardData) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    event.stopImmediatePropagation();
    isGiven = true;
  };
  if (source) selectText(source);
  document.addEventListener("copy", give, { capture: true });
  try {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way on http
    const isCopied = document.execCommand("copy") && isGiven;
    if (isCopied) window.getSelection()?.removeAllRanges();
    return isCopied;
  } finally {
    document.removeEventListener("copy", give, { capture: true });
  }
}

/** So that the viewer can copy it by hand. */
function selectText(element: HTMLElement): void {
  window.getSelection()?.selectAllChildren(element);
}
