import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData, useSearchParams } from "@remix-run/react";
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { ClientSnippets } from "../components/client-snippets";
import { Button, Submit } from "../components/ui/button";
import { CopyButton } from "../components/ui/copy-button";
import { Dialog, DialogClose } from "../components/ui/dialog";
import { Field, FormFault } from "../components/ui/field";
import { Badge, Empty, PageHead, Section } from "../components/ui/page";
import { attempt, requireUser, textOf, textOrNull } from "../guards";
import { usd, useFormat, type Format } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";

export const meta = titled((t) => t.keys.title);

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireUser(request, context);
  return data({ keys: await caller.keys.list(), apiUrl: context.apiUrl(request) }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireUser(request, context);
  const form = await request.formData();
  if (form.get("intent") === "delete") {
    const { fault } = await attempt(context, () => caller.keys.delete({ keyId: textOf(form, "keyId") }));
    return data({ fault, secret: null }, { status: fault ? 400 : 200 });
  }
  const { fault, result } = await attempt(context, () =>
    caller.keys.create({
      name: textOf(form, "name"),
      requestsPerMinute: textOrNull(form, "requestsPerMinute"),
      concurrentRequests: textOrNull(form, "concurrentRequests"),
      dailyBudgetUsd: textOrNull(form, "dailyBudgetUsd"),
      monthlyBudgetUsd: textOrNull(form, "monthlyBudgetUsd"),
      allowedModels: textOf(form, "allowedModels")
        .split(/[,，\s]+/)
        .filter(Boolean),
      allowedAddresses: textOf(form, "allowedAddresses")
        .split(/[,，\s]+/)
        .filter(Boolean),
      lastDay: textOrNull(form, "lastDay"),
    }),
  );
  return data({ fault, secret: result?.secret ?? null }, { status: fault ? 400 : 200 });
}

type Key = ReturnType<typeof useLoaderData<typeof loader>>["keys"][number];

export default function ApiKeys() {
  const t = useTexts();
  const format = useFormat();
  const { keys, apiUrl } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const [params] = useSearchParams();
  // The address opens the dialog and nothing more: to change it when a key has come would break off the list's reload.
  const [isCreating, setCreating] = useState(params.has("create"));
  const [shown, setShown] = useState<string | null>(null);
  useEffect(() => {
    if (!answer?.secret) return;
    setShown(answer.secret);
    setCreating(false);
  }, [answer]);
  return (
    <>
      <PageHead title={t.keys.title}>
        <Button onClick={() => setCreating(true)}>
          <Plus aria-hidden className="size-4" />
          {t.keys.create}
        </Button>
      </PageHead>
      <Section isFlush>
        {keys.length === 0 ? (
          <Empty icon={KeyRound} title={t.keys.empty} lead={t.keys.emptyLead}>
            <Button onClick={() => setCreating(true)}>{t.keys.create}</Button>
          </Empty>
        ) : (
          <table className="table">
            <thead>
              <tr>
                <th>{t.keys.columns.name}</th>
                <th>{t.keys.columns.key}</th>
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
                  <td data-label={t.keys.columns.key} className="font-mono text-[0.8125rem]">
                    {key.masked}
                  </td>
                  <td data-label={t.keys.columns.created}>{format.day(key.createdAt)}</td>
                  <td data-label={t.keys.columns.used}>
                    {key.lastUsedAt ? format.minute(key.lastUsedAt) : t.common.never}
                  </td>
                  <td data-label={t.keys.columns.limits} className="text-muted">
                    {limitsOf(key, t, format)}
                  </td>
                  <td className="number corner">
                    <span className="inline-flex">
                      <CopyButton text={key.masked} label={t.keys.copyMasked(key.name)} />
                      <DeleteKey id={key.id} name={key.name} />
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Section>
      <Dialog title={t.keys.createTitle} isOpen={isCreating} onOpenChange={setCreating}>
        <CreateKey fault={answer?.secret ? null : answer?.fault} />
      </Dialog>
      <Dialog
        title={t.keys.createdTitle}
        lead={t.keys.createdLead}
        isOpen={shown !== null}
        onOpenChange={() => setShown(null)}
        isWide
      >
        {shown && <NewSecret secret={shown} apiUrl={apiUrl} />}
      </Dialog>
    </>
  );
}

function limitsOf({ limits, expiresAt, status }: Key, t: Texts, format: Format) {
  const parts = [
    limits.dailyBudgetUsd && t.keys.perDay(usd(limits.dailyBudgetUsd)),
    limits.monthlyBudgetUsd && t.keys.perMonth(usd(limits.monthlyBudgetUsd)),
    limits.requestsPerMinute && t.keys.perMinute(limits.requestsPerMinute),
    limits.concurrentRequests && t.keys.atOnce(limits.concurrentRequests),
    expiresAt && t.keys.until(format.day(expiresAt)),
  ].filter(Boolean);
  if (status === "disabled") return <Badge look="bad">{t.keys.disabled}</Badge>;
  if (expiresAt && new Date(expiresAt) < new Date()) return <Badge look="bad">{t.keys.expired}</Badge>;
  return parts.length > 0 ? parts.join(" · ") : t.common.none;
}

function CreateKey({ fault }: { fault: { message: string; fields: Record<string, string> } | null | undefined }) {
  const t = useTexts();
  const fields = fault?.fields ?? {};
  return (
    <Form method="post" className="space-y-5">
      <FormFault fault={fault} />
      <Field
        name="name"
        label={t.keys.name}
        placeholder={t.keys.namePlaceholder}
        required
        maxLength={100}
        error={fields.name}
      />
      <details className="group" open={Object.keys(fields).some((field) => field !== "name")}>
        <summary className="text-sm text-muted hover:text-ink">{t.keys.limits}</summary>
        <div className="mt-4 grid grid-cols-2 gap-4">
          <Field name="dailyBudgetUsd" label={t.keys.daily} inputMode="decimal" error={fields.dailyBudgetUsd} />
          <Field name="monthlyBudgetUsd" label={t.keys.monthly} inputMode="decimal" error={fields.monthlyBudgetUsd} />
          <Field name="requestsPerMinute" label={t.keys.rpm} inputMode="numeric" error={fields.requestsPerMinute} />
          <Field
            name="concurrentRequests"
            label={t.keys.concurrent}
            inputMode="numeric"
            error={fields.concurrentRequests}
          />
          <div className="col-span-2">
            <Field
              name="allowedModels"
              label={t.keys.models}
              placeholder="gpt-5*, gpt-4o-mini"
              hint={t.keys.modelsHint}
              error={fields.allowedModels}
            />
          </div>
          <div className="col-span-2">
            <Field
              name="allowedAddresses"
              label={t.keys.addresses}
              placeholder="203.0.113.7, 10.0.0.0/8"
              hint={t.keys.addressesHint}
              error={Object.entries(fields).find(([field]) => field.startsWith("allowedAddresses"))?.[1]}
            />
          </div>
          <div className="col-span-2">
            <Field name="lastDay" label={t.keys.lastDay} type="date" error={fields.lastDay} />
          </div>
        </div>
      </details>
      <div className="flex justify-end gap-2">
        <DialogClose asChild>
          <Button look="quiet">{t.common.cancel}</Button>
        </DialogClose>
        <Submit intent="create">{t.keys.submit}</Submit>
      </div>
    </Form>
  );
}

function NewSecret({ secret, apiUrl }: { secret: string; apiUrl: string }) {
  const t = useTexts();
  return (
    <>
      <code
        data-testid="new-secret"
        className="block rounded-lg bg-sunken px-3.5 py-3 font-mono text-sm break-all select-all"
      >
        {secret}
      </code>
      <div className="mt-4 flex justify-end">
        <CopyButton look="primary" text={secret} label={t.keys.copySecret} />
      </div>
      <h3 className="mt-2 text-sm font-medium">{t.keys.snippets}</h3>
      <ClientSnippets secret={secret} apiUrl={apiUrl} />
    </>
  );
}

function DeleteKey({ id, name }: { id: string; name: string }) {
  const t = useTexts();
  return (
    <Dialog
      title={t.keys.deleteTitle}
      lead={t.keys.deleteLead(name)}
      trigger={
        <Button look="icon" aria-label={t.keys.deleteOf(name)} title={t.keys.deleteOf(name)}>
          <Trash2 aria-hidden className="size-4" />
        </Button>
      }
    >
      <Form method="post" className="flex justify-end gap-2">
        <input type="hidden" name="keyId" value={id} />
        <DialogClose asChild>
          <Button look="quiet">{t.common.cancel}</Button>
        </DialogClose>
        <Submit look="danger" intent="delete">
          {t.common.delete}
        </Submit>
      </Form>
    </Dialog>
  );
}
