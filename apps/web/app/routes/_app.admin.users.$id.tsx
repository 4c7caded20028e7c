import { randomUUID } from "node:crypto";
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { Pause, Play, Wallet } from "lucide-react";
import { useEffect, useState } from "react";
import { keyColumns } from "../components/key-list";
import { Changes } from "../components/read-only";
import { SuspendButton, SuspendDialog, SuspendToast } from "../components/suspend";
import {
  AccessDialogs,
  DeleteUser,
  ResetLinkDialog,
  UserAccess,
  type AccessDialog,
  type NewLink,
} from "../components/user-access";
import { BreakableEmail } from "../components/ui/breakable";
import { Button, Submit } from "../components/ui/button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { Check, Field, FormFault } from "../components/ui/field";
import { Toast } from "../components/ui/toast";
import { List, type Column } from "../components/ui/list";
import { Badge, Figures, PageHead, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, byIntent, orNotFound, requireAdmin, textOf, textOrNull, type Fault } from "../guards";
import { exactUsd, usd, useFormat, type Format } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { roleOf, type GrantableRole } from "../roles";
import type { Texts } from "../i18n/zh";
import { readPreferences } from "../preferences";

/** Names whom it shows: several of these pages may be open beside each other. */
export const meta = titled<{ user: { email: string } }>((t, loaded) =>
  loaded ? `${loaded.user.email} · ${t.users.title}` : t.user.title,
);
export const clientAction = keepForm;

export async function loader({ request, context, params }: LoaderFunctionArgs) {
  const { caller, user: viewer, headers } = await requireAdmin(request, context);
  const userId = params.id ?? "";
  const user = await orNotFound(context, caller.admin.users.get({ userId }));
  const [keys, usage] = await Promise.all([
    caller.admin.users.keys({ userId }),
    caller.admin.users.usage({ userId, timeZone: readPreferences(request).timeZone }),
  ]);
  // Made anew with every page: the same form sent twice counts once.
  return data({ user, keys, usage, isOwn: viewer.id === user.id, formId: randomUUID() }, { headers });
}

export async function action({ request, context, params }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const userId = params.id ?? "";
  const form = await request.formData();
  const { users } = caller.admin;
  const keyId = textOf(form, "keyId");
  const { intent, run } = byIntent<string, Done>(form, {
    adjust: async () => {
      const { balanceUsd } = await users.adjustBalance({
        userId,
        amountUsd: textOf(form, "amountUsd"),
        note: textOf(form, "note"),
        isPaid: form.get("isPaid") === "on",
        formId: textOf(form, "formId"),
      });
      return { amountUsd: balanceUsd };
    },
    refund: async () => await users.refundCharge({ requestId: textOf(form, "requestId") }),
    limits: async () => {
      await users.setLimits({
        userId,
        requestsPerMinute: textOrNull(form, "requestsPerMinute"),
        tokensPerMinute: textOrNull(form, "tokensPerMinute"),
        concurrentRequests: textOrNull(form, "concurrentRequests"),
      });
      return {};
    },
    suspend: () => users.setStatus({ userId, status: "suspended" }).then(nothing),
    activate: () => users.setStatus({ userId, status: "active" }).then(nothing),
    role: async () => {
      const role = roleOf(textOf(form, "role"));
      await users.setRole({ userId, role });
      return { role };
    },
    reset: async () => {
      const { token, expiresAt } = await users.issueResetLink({ userId });
      return { link: { url: await context.linkFor(`/reset/${token}`), expiresAt } };
    },
    "end-sessions": async () => ({ count: (await users.endSessions({ userId })).ended }),
    "remove-two-factors": () => users.removeTwoFactors({ userId }).then(nothing),
    "disable-key": () => users.setKeyStatus({ userId, keyId, status: "disabled" }).then(nothing),
    "enable-key": () => users.setKeyStatus({ userId, keyId, status: "active" }).then(nothing),
    delete: () => users.delete({ userId, email: textOf(form, "email") }).then(nothing),
  });
  const { fault, result } = await attempt(context, run);
  if (!fault && intent === "delete") return redirect("/admin/users?gone");
  return data({ fault, intent, done: result }, { status: fault ? 400 : 200 });
}

/** What there is to tell of an act. */
type Done = { amountUsd?: string; role?: GrantableRole; link?: NewLink; count?: number };
const nothing = (): Done => ({});
const noMoney = "0.000000000";

export default function User() {
  const t = useTexts();
  const format = useFormat();
  const { user, keys, usage, formId, isOwn } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const adjusting = useFormDialog<"balance">(answer);
  const asking = useFormDialog<AccessDialog | "suspend">(answer);
  const [link, setLink] = useState<NewLink | null>(null);
  const newLink = answer?.done?.link;
  useEffect(() => {
    if (newLink) setLink(newLink);
  }, [newLink]);
  const isDeleted = user.deletedAt !== null;
  const name = isDeleted ? t.people.deletedName(user.id.slice(0, 8)) : user.email;
  const isActive = user.status === "active";
  const hasRefunds = usage.some(({ basis }) => basis !== "exact");
  const refunds: Column<(typeof usage)[number]> = {
    name: t.common.actions,
    isNumber: true,
    isUnnamed: true,
    of: (row) => <Refund row={row} />,
  };
  const done = answer && !answer.fault ? doneOf(answer, t, format) : null;
  const facts: [string, React.ReactNode][] = [
    [t.common.email, isDeleted ? name : <BreakableEmail key="email" of={user.email} />],
    [
      t.user.id,
      <code key="id" className="font-mono text-[0.8125rem] break-all select-all">
        {user.id}
      </code>,
    ],
    [
      t.common.status,
      <Badge key="status" look={isActive ? "good" : "bad"}>
        {isDeleted ? t.people.deleted : isActive ? t.common.active : t.common.suspended}
      </Badge>,
    ],
    [t.user.role, t.people.roles[user.role]],
    [t.user.created, format.second(user.createdAt)],
  ];
  return (
    <>
      <PageHead back={{ to: "/admin/users", label: t.user.back }} title={t.user.title} lead={name}>
        {user.role !== "owner" && !isDeleted && !isOwn && (
          <SuspendButton user={user} onAsk={() => asking.open("suspend")} />
        )}
      </PageHead>
      {answer && done && <Toast of={answer} text={done} />}
      {answer && !answer.fault && (answer.intent === "suspend" || answer.intent === "activate") && (
        <SuspendToast of={answer} intent={answer.intent} user={user} />
      )}
      {answer && ownForm.has(answer.intent) && <FormFault fault={answer.fault} />}
      <SuspendDialog user={asking.subject === "suspend" ? user : null} onClose={asking.close} />
      <AccessDialogs
        asked={asking.subject === "suspend" ? null : asking.subject}
        user={user}
        fault={asking.fault}
        onClose={asking.close}
      />
      <ResetLinkDialog link={link} email={user.email} onClose={() => setLink(null)} />
      <Figures
        figures={[
          {
            label: t.user.balance,
            value: usd(user.balanceUsd),
            title: exactUsd(user.balanceUsd),
            ...(user.debtUsd === noMoney ? {} : { note: t.user.debt(usd(user.debtUsd)) }),
            action: !isDeleted && (
              <Changes>
                <Button look="quiet" className="!h-8 !px-2.5" onClick={() => adjusting.open("balance")}>
                  <Wallet aria-hidden className="size-3.5" />
                  {t.user.adjust}
                </Button>
              </Changes>
            ),
          },
          { label: t.user.keys, value: format.count(user.keyCount) },
          { label: t.user.spent, value: usd(user.spentUsd), title: exactUsd(user.spentUsd) },
          { label: t.user.tokens, value: format.count(user.tokens) },
        ]}
      />
      <div className="grid gap-x-6 lg:grid-cols-2">
        <Section title={t.user.facts}>
          <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-2.5 text-sm">
            {facts.map(([name, value]) => (
              <div key={name} className="contents">
                <dt className="whitespace-nowrap text-muted">{name}</dt>
                <dd className="min-w-0 wrap-anywhere tabular-nums">{value}</dd>
              </div>
            ))}
          </dl>
        </Section>
        <Section title={t.user.limitsTitle} lead={t.user.limitsLead}>
          <Limits user={user} answer={answer} />
        </Section>
      </div>
      {!isDeleted && (
        <UserAccess
          user={user}
          isOwn={isOwn}
          fault={answer && accessForms.has(answer.intent) ? answer.fault : null}
          onAsk={asking.open}
        />
      )}
      <Section title={t.user.keysTitle} isFlush>
        <List
          rows={keys}
          keyOf={({ id }) => id}
          columns={[...keyColumns(t, format), keyActs(t)]}
          empty={<p className="px-5 pb-5 text-sm text-muted">{t.user.keysEmpty}</p>}
        />
      </Section>
      <Section title={t.user.usageTitle} isFlush>
        <List
          rows={usage}
          keyOf={({ requestId }) => requestId}
          empty={<p className="px-5 pb-5 text-sm text-muted">{t.user.usageEmpty}</p>}
          columns={[
            { name: t.usage.columns.time, of: ({ createdAt }) => format.second(createdAt) },
            { name: t.usage.columns.model, of: ({ model }) => model },
            { name: t.usage.columns.key, className: "text-muted", of: ({ keyName }) => keyName },
            { name: t.usage.columns.input, isNumber: true, of: ({ inputTokens }) => format.count(inputTokens) },
            { name: t.usage.columns.output, isNumber: true, of: ({ outputTokens }) => format.count(outputTokens) },
            {
              name: t.usage.columns.cost,
              isNumber: true,
              of: ({ costUsd }) => usd(costUsd),
              title: ({ costUsd }) => exactUsd(costUsd),
            },
            ...(hasRefunds ? [refunds] : []),
          ]}
        />
      </Section>
      {user.role !== "owner" && !isOwn && !isDeleted && <DeleteUser onAsk={asking.open} />}
      <Dialog title={t.user.adjustTitle} isOpen={adjusting.subject !== null} onOpenChange={adjusting.close}>
        <Adjust balanceUsd={user.balanceUsd} formId={formId} fault={adjusting.fault} />
      </Dialog>
    </>
  );
}

/** Forms whose faults stand above the page: they have no place of their own. */
const ownForm = new Set(["refund", "suspend", "activate", "disable-key", "enable-key"]);
const accessForms = new Set(["role", "reset", "end-sessions"]);

/** What became of it, in a sentence; null where it is told in another way. */
function doneOf({ intent, done }: { intent: string; done?: Done | null }, t: Texts, { count }: Format): string | null {
  if (intent === "role" && done?.role) return t.people.roleChanged(t.people.roles[done.role]);
  if (intent === "end-sessions") return t.people.sessionsEnded(count(done?.count ?? 0));
  if (intent === "remove-two-factors") return t.people.removed;
  if (intent === "disable-key") return t.people.keyDisabled;
  if (intent === "enable-key") return t.people.keyEnabled;
  if (done?.amountUsd === undefined) return null;
  return (intent === "refund" ? t.user.refundDone : t.user.adjustDone)(exactUsd(done.amountUsd));
}

type ListedKey = { id: string; name: string; status: "active" | "disabled" };

/** A key that is used wrongly is stopped by an admin too, and let go again. */
const keyActs = (t: Texts): Column<ListedKey> => ({
  name: t.common.actions,
  isNumber: true,
  isUnnamed: true,
  of: ({ id, name, status }) => {
    const isActive = status === "active";
    const label = (isActive ? t.people.disableKey : t.people.enableKey)(name);
    const Icon = isActive ? Pause : Play;
    return (
      <Form method="post" className="inline-flex">
        <input type="hidden" name="keyId" value={id} />
        <Submit look="icon" intent={isActive ? "disable-key" : "enable-key"} aria-label={label} title={label}>
          <Icon aria-hidden className="size-4" />
        </Submit>
      </Form>
    );
  },
});

/** For a charge that is not exact: what was charged is more than what is known. */
function Refund({ row }: { row: { requestId: string; basis: string; costUsd: string; isRefunded: boolean } }) {
  const t = useTexts();
  if (row.isRefunded) return <Badge look="good">{t.user.refunded}</Badge>;
  if (row.basis === "exact") return null;
  return (
    <Form method="post" aria-label={t.user.refundOf(exactUsd(row.costUsd))}>
      <input type="hidden" name="requestId" value={row.requestId} />
      <Submit look="quiet" intent="refund">
        {t.user.refund}
      </Submit>
    </Form>
  );
}

type Limit = "requestsPerMinute" | "tokensPerMinute" | "concurrentRequests";

function Limits({
  user,
  answer,
}: {
  user: Record<Limit, number | null>;
  answer: { fault: Fault | null; intent: string } | undefined;
}) {
  const t = useTexts();
  const fields = answer?.intent === "limits" ? (answer.fault?.fields ?? {}) : {};
  const limits: [Limit, string][] = [
    ["requestsPerMinute", t.user.rpm],
    ["tokensPerMinute", t.user.tpm],
    ["concurrentRequests", t.user.concurrent],
  ];
  return (
    <Form method="post" className="space-y-4">
      <div className="grid items-end gap-4 sm:grid-cols-3 lg:grid-cols-2">
        {limits.map(([name, label]) => (
          <Field
            key={name}
            name={name}
            label={label}
            inputMode="numeric"
            defaultValue={user[name] ?? ""}
            error={fields[name]}
          />
        ))}
      </div>
      <div className="flex items-center gap-3">
        <Submit look="quiet" intent="limits">
          {t.common.save}
        </Submit>
        <span role="status" className="text-sm text-accent">
          {answer?.intent === "limits" && !answer.fault ? t.common.saved : ""}
        </span>
      </div>
    </Form>
  );
}

const nano = 1_000_000_000n;

/** Null where it is no amount yet. */
function nanoOf(text: string): bigint | null {
  const [, sign, whole, fraction = ""] = /^([+-]?)(\d{1,9})(?:\.(\d{0,9}))?$/.exec(text.trim()) ?? [];
  if (whole === undefined) return null;
  const amount = BigInt(whole) * nano + BigInt(fraction.padEnd(9, "0"));
  return sign === "-" ? -amount : amount;
}

function textOfNano(amount: bigint): string {
  const abs = amount < 0n ? -amount : amount;
  return `${amount < 0n ? "-" : ""}${abs / nano}.${String(abs % nano).padStart(9, "0")}`;
}

function Adjust({ balanceUsd, formId, fault }: { balanceUsd: string; formId: string; fault: Fault | null }) {
  const t = useTexts();
  const [amount, setAmount] = useState("");
  const [before, change] = [nanoOf(balanceUsd), nanoOf(amount)];
  const after = before === null || change === null ? null : before + change;
  return (
    <Form method="post" className="space-y-5">
      <FormFault fault={fault} />
      <input type="hidden" name="formId" value={formId} />
      <dl className="grid grid-cols-2 gap-4 rounded-lg bg-sunken px-4 py-3 text-sm tabular-nums">
        <div>
          <dt className="text-muted">{t.user.currentBalance}</dt>
          <dd className="mt-0.5 font-medium">{exactUsd(balanceUsd)}</dd>
        </div>
        <div>
          <dt className="text-muted">{t.user.after}</dt>
          <dd className={`mt-0.5 font-medium ${after !== null && after < 0n ? "text-danger" : ""}`}>
            {after === null ? t.common.none : exactUsd(textOfNano(after))}
          </dd>
        </div>
      </dl>
      <Field
        name="amountUsd"
        label={t.user.amount}
        inputMode="decimal"
        placeholder="100"
        hint={t.user.amountHint}
        value={amount}
        onChange={(event) => setAmount(event.currentTarget.value)}
        required
        error={fault?.fields.amountUsd}
      />
      <Field name="note" label={t.user.reason} maxLength={500} error={fault?.fields.note} />
      <Check name="isPaid" label={t.user.paid} defaultChecked />
      <DialogActions>
        <Submit intent="adjust">{t.common.confirm}</Submit>
      </DialogActions>
    </Form>
  );
}
