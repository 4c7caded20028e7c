/** The list of a user's API keys: what each may do, and what can be done about it. */
import { Pencil, RefreshCw, Trash2 } from "lucide-react";
import { usd, useFormat, type Format } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";
import type { Key } from "./key-form";
import { PauseButton } from "./pause-button";
import { Button } from "./ui/button";
import { CopyButton } from "./ui/copy-button";
import { Badge } from "./ui/page";

export type KeyAct = "update" | "rotate" | "delete";

export function KeyList({ keys, onAct }: { keys: Key[]; onAct: (act: KeyAct, key: Key) => void }) {
  const t = useTexts();
  const format = useFormat();
  return (
    <table className="table">
      <thead>
        <tr>
          <th>{t.keys.columns.name}</th>
          <th>{t.keys.columns.key}</th>
          <th>{t.keys.columns.status}</th>
          <th>{t.keys.columns.created}</th>
          <th>{t.keys.columns.used}</th>
          <th>{t.keys.columns.limits}</th>
          <th className="number">{t.common.actions}</th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <td data-label={t.keys.columns.name} className="font-medium">
              {key.name}
            </td>
            <td data-label={t.keys.columns.key} className="font-mono text-[0.8125rem] whitespace-nowrap">
              {key.masked}
            </td>
            <td data-label={t.keys.columns.status}>
              <KeyStatus of={key} />
            </td>
            <td data-label={t.keys.columns.created} className="whitespace-nowrap">
              {format.day(key.createdAt)}
            </td>
            <td data-label={t.keys.columns.used} className="xl:whitespace-nowrap">
              {key.lastUsedAt ? format.minute(key.lastUsedAt) : t.common.never}
            </td>
            <td data-label={t.keys.columns.limits} className="text-muted">
              {limitsOf(key, t, format) || t.common.none}
            </td>
            <td className="number">
              <span className="inline-flex">
                <CopyButton text={key.masked} label={t.keys.copyMasked(key.name)} />
                <IconButton icon={Pencil} label={t.keys.editOf(key.name)} onClick={() => onAct("update", key)} />
                <IconButton icon={RefreshCw} label={t.keys.rotateOf(key.name)} onClick={() => onAct("rotate", key)} />
                <PauseButton
                  idName="keyId"
                  id={key.id}
                  isActive={key.status === "active"}
                  label={(key.status === "active" ? t.keys.disableOf : t.keys.enableOf)(key.name)}
                />
                <IconButton icon={Trash2} label={t.keys.deleteOf(key.name)} onClick={() => onAct("delete", key)} />
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function IconButton({ icon: Icon, label, onClick }: { icon: typeof Pencil; label: string; onClick: () => void }) {
  return (
    <Button look="icon" aria-label={label} title={label} onClick={onClick}>
      <Icon aria-hidden className="size-4" />
    </Button>
  );
}

export function KeyStatus({ of: { status, expiresAt, previousSecretUntil } }: { of: Key }) {
  const t = useTexts();
  const format = useFormat();
  const isExpired = expiresAt !== null && new Date(expiresAt) < new Date();
  return (
    <span>
      {status === "disabled" ? (
        <Badge look="bad">{t.keys.disabled}</Badge>
      ) : isExpired ? (
        <Badge look="bad">{t.keys.expired}</Badge>
      ) : (
        <Badge look="good">{t.keys.active}</Badge>
      )}
      {previousSecretUntil && (
        <span className="mt-1 block text-xs text-muted">{t.keys.oldUntil(format.minute(previousSecretUntil))}</span>
      )}
    </span>
  );
}

function limitsOf(key: Key, t: Texts, { count, lastDay }: Format): string {
  const { limits, expiresAt } = key;
  return [
    limits.dailyBudgetUsd && t.keys.perDay(usd(limits.dailyBudgetUsd)),
    limits.monthlyBudgetUsd && t.keys.perMonth(usd(limits.monthlyBudgetUsd)),
    limits.requestsPerMinute && t.keys.perMinute(count(limits.requestsPerMinute)),
    limits.tokensPerMinute && t.keys.tokensPerMinute(count(limits.tokensPerMinute)),
    limits.concurrentRequests && t.keys.atOnce(count(limits.concurrentRequests)),
    limits.allowedModels.length > 0 && t.keys.onlyModels(limits.allowedModels.join(", ")),
    limits.allowedEndpoints.length > 0 && t.keys.onlyEndpoints(limits.allowedEndpoints.join(", ")),
    limits.allowedAddresses.length > 0 && t.keys.onlyAddresses(limits.allowedAddresses.join(", ")),
    expiresAt && t.keys.until(lastDay(expiresAt)),
  ]
    .filter(Boolean)
    .join(" · ");
}
