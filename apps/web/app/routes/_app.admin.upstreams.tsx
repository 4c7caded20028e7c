import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { useMutation } from "@tanstack/react-query";
import { Pencil, Plus, Server, Trash2 } from "lucide-react";
import { useCallFault } from "../call-fault";
import { Button, Submit } from "../components/ui/button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { Check, Field, FormFault, Select } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Badge, Empty, PageHead, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, byIntent, requireAdmin, textOf, textOrNull, type Fault } from "../guards";
import { titled, useServerMessage, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { useTRPC } from "../trpc";

export const meta = titled((t) => t.upstreams.title);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  return data({ upstreams: await caller.admin.upstreams.list() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const { run } = byIntent(form, {
    delete: () => caller.admin.upstreams.delete({ id: textOf(form, "id") }),
    put: () =>
      caller.admin.upstreams.put({
        id: textOrNull(form, "id"),
        name: textOf(form, "name"),
        baseUrl: textOf(form, "baseUrl"),
        apiKey: textOf(form, "apiKey"),
        weight: textOf(form, "weight"),
        isEnabled: form.get("isEnabled") === "on",
        addsMembers: form.get("addsMembers") === "on",
        projectTier: textOrNull(form, "projectTier") as Upstream["projectTier"],
      }),
  });
  const { fault } = await attempt(context, run);
  return data({ fault }, { status: fault ? 400 : 200 });
}

type Upstream = ReturnType<typeof useLoaderData<typeof loader>>["upstreams"][number];
const healthLooks = { healthy: "good", failing: "bad", unused: "plain" } as const;

export default function Upstreams() {
  const t = useTexts();
  const { upstreams } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const editing = useFormDialog<Upstream | "new">(answer);
  const deleting = useFormDialog<Upstream>(answer);
  return (
    <>
      <PageHead title={t.upstreams.title} lead={t.upstreams.lead}>
        <Button onClick={() => editing.open("new")}>
          <Plus aria-hidden className="size-4" />
          {t.upstreams.add}
        </Button>
      </PageHead>
      <Section isFlush>
        <List
          rows={upstreams}
          keyOf={({ id }) => id}
          empty={<Empty icon={Server} title={t.upstreams.empty} lead={t.upstreams.emptyLead} />}
          columns={[
            { name: t.upstreams.columns.name, className: "font-medium", of: ({ name }) => name },
            { name: t.upstreams.columns.baseUrl, className: "wrap-anywhere", of: ({ baseUrl }) => baseUrl },
            {
              name: t.upstreams.columns.key,
              className: "font-mono text-[0.8125rem] whitespace-nowrap",
              of: ({ keyLastFour }) => `••••${keyLastFour}`,
            },
            { name: t.upstreams.columns.weight, isNumber: true, of: ({ weight }) => weight },
            {
              name: t.upstreams.columns.health,
              of: ({ isEnabled, health }) =>
                isEnabled ? (
                  <Badge look={healthLooks[health]}>{t.overview.health[health]}</Badge>
                ) : (
                  <Badge look="plain">{t.overview.disabled}</Badge>
                ),
            },
            {
              name: t.common.actions,
              isNumber: true,
              isUnnamed: true,
              of: (upstream) => (
                <span className="inline-grid grid-cols-[auto_auto_auto] items-center">
                  <TestButton id={upstream.id} name={upstream.name} />
                  <Button
                    look="icon"
                    aria-label={t.upstreams.editOf(upstream.name)}
                    onClick={() => editing.open(upstream)}
                  >
                    <Pencil aria-hidden className="size-4" />
                  </Button>
                  <Button
                    look="icon"
                    aria-label={t.upstreams.deleteOf(upstream.name)}
                    onClick={() => deleting.open(upstream)}
                  >
                    <Trash2 aria-hidden className="size-4" />
                  </Button>
                </span>
              ),
            },
          ]}
        />
      </Section>
      <Dialog
        title={editing.subject === "new" ? t.upstreams.add : t.upstreams.editTitle}
        isOpen={editing.subject !== null}
        onOpenChange={editing.close}
      >
        {editing.subject && (
          <Edit upstream={editing.subject === "new" ? null : editing.subject} fault={editing.fault} />
        )}
      </Dialog>
      <Dialog
        title={t.upstreams.deleteTitle}
        lead={deleting.subject ? t.upstreams.deleteLead(deleting.subject.name) : ""}
        isOpen={deleting.subject !== null}
        onOpenChange={deleting.close}
      >
        <Form method="post" className="space-y-4">
          <FormFault fault={deleting.fault} />
          <input type="hidden" name="id" value={deleting.subject?.id ?? ""} />
          <DialogActions>
            <Submit look="danger" intent="delete">
              {t.common.delete}
            </Submit>
          </DialogActions>
        </Form>
      </Dialog>
    </>
  );
}

function TestButton({ id, name }: { id: string; name: string }) {
  const t = useTexts();
  const say = useServerMessage();
  const trpc = useTRPC();
  const faultOf = useCallFault();
  const test = useMutation(trpc.admin.upstreams.test.mutationOptions());
  return (
    <>
      {/* Below the buttons and no wider than they are: the other columns keep their place. */}
      <span
        role="status"
        className={`col-span-full row-start-2 w-0 min-w-full text-sm ${test.isError ? "text-danger" : "text-accent"}`}
      >
        {test.isSuccess ? t.upstreams.ok : say(faultOf(test.error)?.message ?? "")}
      </span>
      <Button
        look="quiet"
        className="mr-1 !h-8 !px-3"
        disabled={test.isPending}
        aria-label={t.upstreams.testOf(name)}
        onClick={() => test.mutate({ id })}
      >
        {t.upstreams.test}
      </Button>
    </>
  );
}

function Edit({ upstream, fault }: { upstream: Upstream | null; fault: Fault | null }) {
  const t = useTexts();
  const fields = fault?.fields ?? {};
  return (
    <Form method="post" className="space-y-5">
      <FormFault fault={fault} />
      <input type="hidden" name="id" value={upstream?.id ?? ""} />
      <Field
        name="name"
        label={t.upstreams.name}
        defaultValue={upstream?.name ?? ""}
        required
        maxLength={100}
        error={fields.name}
      />
      <Field
        name="baseUrl"
        label={t.upstreams.baseUrl}
        defaultValue={upstream?.baseUrl ?? "https://api.openai.com/v1"}
        required
        error={fields.baseUrl}
      />
      <Field
        name="apiKey"
        label={t.upstreams.key}
        type="password"
        autoComplete="off"
        required={upstream === null}
        hint={upstream ? t.upstreams.keyKept : undefined}
        error={fields.apiKey}
      />
      <Field
        name="weight"
        label={t.upstreams.weight}
        inputMode="numeric"
        defaultValue={upstream?.weight ?? 1}
        required
        error={fields.weight}
      />
      <Select
        name="projectTier"
        label={t.upstreams.projectTier}
        hint={t.upstreams.projectTierHint}
        defaultValue={upstream?.projectTier ?? ""}
        error={fields.projectTier}
      >
        <option value="">{t.upstreams.tiers.standard}</option>
        <option value="flex">{t.upstreams.tiers.flex}</option>
        <option value="priority">{t.upstreams.tiers.priority}</option>
      </Select>
      <Check name="addsMembers" label={t.upstreams.addsMembers} defaultChecked={upstream?.addsMembers ?? true} />
      <Check name="isEnabled" label={t.upstreams.enabled} defaultChecked={upstream?.isEnabled ?? true} />
      <DialogActions>
        <Submit intent="put">{t.common.save}</Submit>
      </DialogActions>
    </Form>
  );
}
