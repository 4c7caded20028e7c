import { randomUUID } from "node:crypto";
import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { Wallet } from "lucide-react";
import { useState } from "react";
import { keyColumns } from "../components/key-list";
import { Button, Submit } from "../components/ui/button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { Check, Field, FormFault, Note } from "../components/ui/field";
import { List, type Column } from "../components/ui/list";
import { Badge, Figures, PageHead, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, byIntent, orNotFound, requireAdmin, textOf, textOrNull, type Fault } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import type { Texts } from "../i18n/zh";
import { readPreferences } from "../preferences";

export const meta = titled((t) => t.user.title);
export const clientAction = keepForm;

export async function loader({ request, context, params }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const userId = params.id ?? "";
  const user = await orNotFound(context, caller.admin.users.get({ userId }));
  const [keys, usage] = await Promise.all([
    caller.admin.users.keys({ userId }),
    caller.admin.users.usage({ userId, timeZone: readPreferences(request).timeZone }),
  ]);
  // Made anew with every page: the same form sent twice counts once.
  return data({ user, keys, usage, formId: randomUUID() }, { headers });
}

export async function action({ request, context, params }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const userId = params.id ?? "";
  const form = await request.formData();
  const { users } = caller.admin;
  const { intent, run } = byIntent<string, string | null>(form, {
    adjust: async () => {
      const { balanceUsd } = await users.adjustBalance({
        userId,
        amountUsd: textOf(form, "amountUsd"),
        note: textOf(form, "note"),
        isPaid: form.get("isPaid") === "on",
        formId: textOf(form, "formId"),
      });
      return balanceUsd;
    },
    refund: async () => (await users.refundCharge({ requestId: textOf(form, "requestId") })).amountUsd,
    limits: async () => {
      await users.setLimits({
        userId,
        requestsPerMinute: textOrNull(form, "requestsPerMinute"),
        tokensPerMinute: textOrNull(form, "tokensPerMinute"),
        concurrentRequests: textOrNull(form, "concurrentRequests"),
      });
      return null;
    },
    suspend: () => users.setStatus({ userId, status: "suspended" }).then(() => null),
    activate: () => users.setStatus({ userId, status: "active" }).then(() => null),
  });
  const { fault, result } = await attempt(context, run);
  return data({ fault, intent, amountUsd: result }, { status: fault ? 400 : 200 });
}

const nothing = "0.000000000";

export default function User() {
  const t = useTexts();
  const format = useFormat();
  const { user, keys, usage, formId } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const adjusting = useFormDialog<"balance">(answer);
  const isActive = user.status === "active";
  const hasRefunds = usage.some(({ basis }) => basis !== "exact");
  const refunds: Column<(typeof usage)[number]> = {
    name: t.common.actions,
    isNumber: true,
    isUnnamed: true,
    of: (row) => <Refund row={row} />,
  };
  const done = answer && !answer.fault ? doneOf(answer, user.email, t) : null;
  const facts: [string, React.ReactNode][] = [
    [t.common.email, user.email],
    [
      t.user.id,
      <code key="id" className="font-mono text-[0.8125rem] break-all select-all">
        {user.id}
      </code>,
    ],
    [
      t.common.status,
      <Badge key="status" look={isActive ? "good" : "bad"}>
        {isActive ? t.common.active : t.common.suspended}
      </Badge>,
    ],
    [t.user.role, t.user.roles[user.role]],
    [t.user.created, format.second(user.createdAt)],
  ];
  return (
    <>
      <PageHead back={{ to: "/admin/users", label: t.user.back }} title={t.user.title} lead={user.email}>
        {user.role !== "owner" && (
          <Form method="post">
            <Submit look={isActive ? "danger" : "quiet"} intent={isActive ? "suspend" : "activate"}>
              {isActive ? t.users.suspend : t.users.activate}
            </Submit>
          </Form>
        )}
      </PageHead>
      {done && (
        <div className="mb-6">
          <Note look="good">{done}</Note>
        </div>
      )}
      {answer && !["adjust", "limits"].includes(answer.intent) && <FormFault fault={answer.fault} />}
      <Figures
        figures={[
          {
            label: t.user.balance,
            value: usd(user.balanceUsd),
            title: exactUsd(user.balanceUsd),
            ...(user.debtUsd === nothing ? {} : { note: t.user.debt(usd(user.debtUsd)) }),
            action: (
              <Button look="quiet" className="!h-8 !px-2.5" onClick={() => adjusting.open("balance")}>
                <Wallet aria-hidden className="size-3.5" />
                {t.user.adjust}
              </Button>
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
                <dt className="text-muted">{name}</dt>
                <dd className="tabular-nums">{value}</dd>
              </div>
            ))}
          </dl>
        </Section>
        <Section title={t.user.limitsTitle} lead={t.user.limitsLead}>
          <Limits user={user} answer={answer} />
        </Section>
      </div>
      <Section title={t.user.keysTitle} isFlush>
        <List
          rows={keys}
          keyOf={({ id }) => id}
          columns={keyColumns(t, format)}
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
      <Dialog title={t.user.adjustTitle} isOpen={adjusting.subject !== null} onOpenChange={adjusting.close}>
        <Adjust balanceUsd={user.balanceUsd} formId={formId} fault={adjusting.fault} />
      </Dialog>
    </>
  );
}

/** What became of it, in a sentence; null where the form says so itself. */
function doneOf({ intent, amountUsd }: { intent: string; amountUsd: string | null }, email: string, t: Texts) {
  if (intent === "suspend") return t.users.suspendDone(email);
  if (intent === "activate") return t.users.activateDone(email);
  if (amountUsd === null) return null;
  return (intent === "refund" ? t.user.refundDone : t.user.adjustDone)(exactUsd(amountUsd));
}

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
