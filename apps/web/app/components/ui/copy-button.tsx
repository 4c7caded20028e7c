import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { useTexts } from "../../i18n/use-texts";
import { Button, type Look } from "./button";

/** Copies `text`; says so for a moment. `label` names it where it shows only an icon. */
export function CopyButton({ text, label, look = "icon" }: { text: string; label: string; look?: Look }) {
  const t = useTexts();
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await copyText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  };
  const Icon = isCopied ? Check : Copy;
  return (
    <Button
      look={look}
      onClick={() => {
        copy().catch(() => setCopied(false));
      }}
      {...(look === "icon" ? { "aria-label": label, title: label } : {})}
    >
      <Icon aria-hidden className="size-4" />
      {look !== "icon" && (isCopied ? t.common.copied : label)}
      <span role="status" className="sr-only">
        {isCopied ? t.common.copied : ""}
      </span>
    </Button>
  );
}

/** The clipboard needs https; without it the old way still works. */
async function copyText(text: string): Promise<void> {
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way on http
  document.execCommand("copy");
  area.remove();
}
