import { Check, Copy, TriangleAlert } from "lucide-react";
import { useEffect, useState, type RefObject } from "react";
import { useTexts } from "../../i18n/use-texts";
import { Button, type Look } from "./button";
import { copyText } from "./copy-text";

type Outcome = "copied" | "failed";
type Props = {
  text: string;
  /** Names the button where it shows only an icon. */
  label: string;
  look?: Look;
  /** What is said once it is copied, where that is not all that its reader must know. */
  copied?: string;
  /** Shows the text, and is selected where the browser does not copy. */
  source?: RefObject<HTMLElement>;
};

const shownMs = 1_500;

/** Copies `text`, and says for a moment that it did, or until the next try that it could not. */
export function CopyButton({ text, label, look = "icon", copied, source }: Props) {
  const t = useTexts();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  useEffect(() => {
    if (outcome !== "copied") return;
    const timer = setTimeout(() => setOutcome(null), shownMs);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = () => {
    copyText(text, source?.current ?? null).then(
      (isCopied) => setOutcome(isCopied ? "copied" : "failed"),
      () => setOutcome("failed"),
    );
  };
  const Icon = outcome === "copied" ? Check : outcome === "failed" ? TriangleAlert : Copy;
  const said = outcome === "copied" ? (copied ?? t.common.copied) : outcome === "failed" ? t.people.copyFailed : "";
  const isSaidInside = look !== "icon" && outcome === "copied";
  return (
    <span className="relative inline-flex items-center gap-2">
      {outcome === "failed" && look !== "icon" && <span className="text-sm text-danger">{t.people.copyFailed}</span>}
      <Button look={look} onClick={copy} {...(look === "icon" ? { "aria-label": label, title: label } : {})}>
        <Icon aria-hidden className={`size-4 ${outcome === "failed" && look === "icon" ? "text-danger" : ""}`} />
        {look !== "icon" && (isSaidInside ? said : label)}
      </Button>
      <span
        role="status"
        className={
          look === "icon" && said !== "" && (copied !== undefined || outcome === "failed")
            ? "absolute top-full right-0 z-10 w-max max-w-64 rounded-lg border border-line bg-surface px-3 py-2 text-left text-sm whitespace-normal text-ink shadow-lg"
            : "sr-only"
        }
      >
        {said}
      </span>
    </span>
  );
}
