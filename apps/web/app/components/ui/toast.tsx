/** What became of an act, above whatever the page shows; it can be put away, and what it offers is a form. */
import { CircleCheck, X } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { useTexts } from "../../i18n/use-texts";

const shownMs = 20_000;

/** `of` is the answer that it tells about: another one shows it again. `children`: what can be done about it. */
export function Toast({ of, text, children }: { of: object; text: string; children?: ReactNode }) {
  const t = useTexts();
  const [hidden, setHidden] = useState<object | null>(null);
  const [isHeld, setHeld] = useState(false);
  const hide = () => setHidden(of);
  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(() => setHidden(of), shownMs);
    return () => clearTimeout(timer);
  }, [of, isHeld]);
  return (
    <div role="status" className="pointer-events-none fixed inset-x-0 bottom-4 z-30 flex justify-center px-4">
      {hidden !== of && (
        <div
          onMouseEnter={() => setHeld(true)}
          onMouseLeave={() => setHeld(false)}
          onFocus={() => setHeld(true)}
          onBlur={() => setHeld(false)}
          className="fade pointer-events-auto flex max-w-xl items-center gap-3 rounded-xl border border-line-strong bg-surface py-2.5 pr-2 pl-4 text-sm shadow-lg"
        >
          <CircleCheck aria-hidden className="size-4 shrink-0 text-accent" />
          <p className="min-w-0 wrap-anywhere">{text}</p>
          {children}
          <button
            type="button"
            onClick={hide}
            aria-label={t.people.dismiss}
            className="inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-muted hover:bg-sunken hover:text-ink"
          >
            <X aria-hidden className="size-4" />
          </button>
        </div>
      )}
    </div>
  );
}
