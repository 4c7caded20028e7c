/** The list of a user's API keys: what each may do, and what can be done about it. */
import { Pencil, RefreshCw, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import { usd, useFormat, type Format } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";
import type { Key } from "./key-form";
import { PauseButton } from "./pause-button";
import { BreakableTime } from "./ui/breakable";
import { Button } from "./ui/button";
import { CopyButton } from "./ui/copy-button";
import { List, type Column } from "./ui/list";
import { Badge } from "./ui/page";

export type KeyAct = "update" | "rotate" | "delete";

type KeyListProps = { keys: Key[]; onAct: (act: KeyAct, key: Key) => void; empty: ReactNode };

export function KeyList({ keys, onAct, empty }: KeyListProps) {
  const t = useTexts();
  const format = useFormat();
  const columns: Column<Key>[] = [
    ...keyColumns(t, format),
    {
      name: t.keys.columns.limits,
      className: "text-muted",
      of: (key) => limitsOf(key, t, format) || t.common.none,
    },
    {
      name: t.common.actions,
      isNumber: true,
      isUnnamed: true,
      of: (key) => (
        <span className="inline-flex md:max-xl:[&_button]:size-8">
          <CopyButton text={key.masked} label={t.keys.copyMasked(key.name)} copied={t.people.copiedMasked} />
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
      ),
    },
  ];
  return <List rows={keys} keyOf={({ id }) => id} columns={columns} empty={empty} />;
}

/** What a user and an admin see of a key. */
export const keyColumns = (t: Texts, format: Format): Column<Key>[] => [
  { name: t.keys.columns.name, className: "font-medium", of: ({ name }) => name },
  {
    name: t.keys.columns.key,
    className: "font-mono text-[0.8125rem] whitespace-nowrap",
    of: ({ masked }) => masked,
  },
  { name: t.keys.columns.status, of: (key) => <KeyStatus of={key} /> },
  {
    name: t.keys.columns.created,
    isHiddenOnTablets: true,
    className: "whitespace-nowrap",
    of: ({ createdAt }) => format.day(createdAt),
  },
  {
    name: t.keys.columns.used,
    className: "xl:whitespace-nowrap",
    of: ({ lastUsedAt }) => (lastUsedAt ? <BreakableTime of={format.minute(lastUsedAt)} /> : t.common.never),
  },
];

function IconButton({ icon: Icon, label, onClick }: { icon: typeof Pencil; label: string; onClick: () => void }) {
  return (
    <Button look="icon" aria-label={label} title={label} onClick={onClick}>
      <Icon aria-hidden className="size-4" />
    </Button>
  );
}

function KeyStatus({ of: { status, expiresAt, previousSecretUntil } }: { of: Key }) {
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
