/** Where the focus was last outside of every dialog: there it returns when a dialog closes, whatever opened it. */
import { createContext, useContext, useEffect, useRef, type MutableRefObject } from "react";

export const FocusOriginContext = createContext<MutableRefObject<HTMLElement | null> | null>(null);

/** For the root: follows the focus. */
export function useFocusOriginRef(): MutableRefObject<HTMLElement | null> {
  const origin = useRef<HTMLElement | null>(null);
  useEffect(() => {
    // Not every browser focuses a button that is clicked.
    const note = ({ target }: Event) => {
      const element =
        target instanceof Element ? target.closest<HTMLElement>("a, button, input, select, textarea, summary") : null;
      if (element && !element.closest("[role=dialog]")) origin.current = element;
    };
    document.addEventListener("focusin", note, true);
    document.addEventListener("click", note, true);
    return () => {
      document.removeEventListener("focusin", note, true);
      document.removeEventListener("click", note, true);
    };
  }, []);
  return origin;
}

/** Focuses it, or the page's heading where it is gone by then. */
export function useFocusReturn(): () => void {
  const origin = useContext(FocusOriginContext);
  return () => {
    const element = origin?.current;
    if (element?.isConnected && element.offsetParent !== null && !element.matches(":disabled")) {
      element.focus();
      return;
    }
    const heading = document.querySelector<HTMLElement>("main h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus();
  };
}
