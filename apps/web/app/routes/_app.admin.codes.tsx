import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { Download, Plus, Ticket } from "lucide-react";
import { useEffect, useState } from "react";
import { Button, Submit } from "../components/ui/button";
import { CopyButton } from "../components/ui/copy-button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { Field, FormFault } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Empty, PageHead, pageOf, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, requireAdmin, textOf, textOrNull } from "../guards";
import { usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.codes.title);
export const clientAction = keepForm;

const pageSize = 20;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const page = pageOf(request);
  const found = await caller.admin.codes.list({ limit: pageSize, offset: (page - 1) * pageSize });
  return data({ ...found, page }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const { fault, result } = await attempt(context, () =>
    caller.admin.codes.create({
      amountUsd: textOf(form, "amountUsd"),
      count: textOf(form, "count"),
      note: textOf(form, "note"),
      lastDay: textOrNull(form, "lastDay"),
    }),
  );
  return data({ fault, codes: result?.codes ?? null }, { status: fault ? 400 : 200 });
}

export default function Codes() {
  const t = useTexts();
  const format = useFormat();
  const { batches, total, page } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const dialog = useFormDialog<"new">(answer);
  const [codes, setCodes] = useState<string[] | null>(null);
  useEffect(() => {
    if (answer?.codes) setCodes(answer.codes);
  }, [answer]);
  const fields: Record<string, string> = dialog.fault?.fields ?? {};
  return (
    <>
      <PageHead title={t.codes.title} lead={t.codes.lead}>
        <Button onClick={() => dialog.open("new")}>
          <Plus aria-hidden className="size-4" />
          {t.codes.create}
        </Button>
      </PageHead>
      <Section isFlush>
        <List
          rows={batches}
          keyOf={({ id }) => id}
          empty={<Empty icon={Ticket} title={t.codes.empty} lead={t.codes.emptyLead} />}
          paging={{ page, pageSize, total }}
          columns={[
            { name: t.codes.columns.created, of: ({ createdAt }) => format.minute(createdAt) },
            {
              name: t.codes.columns.amount,
              isNumber: true,
              className: "font-medium",
              of: ({ amountUsd }) => usd(amountUsd),
            },
            {
              name: t.codes.columns.used,
              isNumber: true,
              of: ({ redeemedCount, codeCount }) => `${format.count(redeemedCount)} / ${format.count(codeCount)}`,
            },
            {
              name: t.codes.columns.expires,
              of: ({ expiresAt }) => (expiresAt ? format.lastDay(expiresAt) : t.common.none),
            },
            { name: t.codes.columns.note, className: "text-muted", of: ({ note }) => note || t.common.none },
          ]}
        />
      </Section>
      <Dialog title={t.codes.create} isOpen={dialog.subject !== null} onOpenChange={dialog.close}>
        <Form method="post" className="space-y-5">
          <FormFault fault={dialog.fault} />
          <div className="grid grid-cols-2 gap-4">
            <Field
              name="amountUsd"
              label={t.codes.amount}
              inputMode="decimal"
              placeholder="10"
              required
              error={fields.amountUsd}
            />
            <Field
              name="count"
              label={t.codes.count}
              inputMode="numeric"
              placeholder="50"
              required
              error={fields.count}
            />
          </div>
          <Field name="lastDay" label={t.codes.lastDay} type="date" error={fields.lastDay} />
          <Field name="note" label={t.common.note} maxLength={200} error={fields.note} />
          <DialogActions>
            <Submit>{t.codes.create}</Submit>
          </DialogActions>
        </Form>
      </Dialog>
      <Dialog
        title={t.codes.createdTitle}
        lead={t.codes.createdLead}
        isOpen={codes !== null}
        onOpenChange={() => setCodes(null)}
      >
        {codes && (
          <>
            <pre
              tabIndex={0}
              data-testid="new-codes"
              className="max-h-72 overflow-auto rounded-lg bg-sunken p-3.5 font-mono text-sm"
            >
              {codes.join("\n")}
            </pre>
            <div className="mt-4 flex justify-end gap-2">
              <CopyButton look="quiet" text={codes.join("\n")} label={t.common.copy} />
              <a
                href={`data:text/csv;charset=utf-8,${encodeURIComponent(`code\r\n${codes.join("\r\n")}\r\n`)}`}
                download="codes.csv"
                className="inline-flex h-9 items-center gap-2 rounded-lg bg-accent px-4 text-sm font-medium text-on-accent hover:bg-accent-strong"
              >
                <Download aria-hidden className="size-4" />
                {t.codes.download}
              </a>
            </div>
          </>
        )}
      </Dialog>
    </>
  );
}
