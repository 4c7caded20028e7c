/** A link that lets somebody in: shown once, to be copied and sent on. */
import { useRef } from "react";
import { useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { CopyButton } from "./ui/copy-button";

type Props = { url: string; /** Null: it says so elsewhere, or lasts. */ expiresAt: Date | string | null };

export function SecretLink({ url, expiresAt }: Props) {
  const t = useTexts();
  const format = useFormat();
  const shown = useRef<HTMLElement>(null);
  return (
    <div className="space-y-3">
      <code
        ref={shown}
        data-testid="secret-link"
        className="block rounded-lg bg-sunken px-3.5 py-3 font-mono text-sm break-all select-all"
      >
        {url}
      </code>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-muted">
          {t.people.linkOnce}
          {expiresAt !== null && ` ${t.people.linkUntil(format.minute(expiresAt))}`}
        </p>
        <CopyButton look="primary" text={url} label={t.people.copyLink} source={shown} />
      </div>
    </div>
  );
}
