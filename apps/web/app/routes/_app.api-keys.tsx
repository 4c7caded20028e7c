import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData, useSearchParams } from "@remix-run/react";
import { KeyRound, Plus } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { ClientSnippets } from "../components/client-snippets";
import { KeyForm, readKeyForm, type Key } from "../components/key-form";
import { KeyList, type KeyAct } from "../components/key-list";
import { Button, Submit } from "../components/ui/button";
import { CopyButton } from "../components/ui/copy-button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { FormFault, Select } from "../components/ui/field";
import { Empty, PageHead, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, byIntent, requireUser, textOf, type Fault } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.keys.title);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireUser(request, context);
  const [keys, endpoints] = await Promise.all([caller.keys.list(), caller.keys.endpoints()]);
  return data({ keys, endpoints, apiUrl: context.apiUrl() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireUser(request, context);
  const form = await request.formData();
  const { keys } = caller;
  const keyId = textOf(form, "keyId");
  /** To a new secret where there is one. */
  const { intent, run } = byIntent<string, string | null>(form, {
    create: async () => (await keys.create(readKeyForm(form))).secret,
    rotate: async () => {
      const [masked, graceHours] = [textOf(form, "masked"), textOf(form, "graceHours")];
      return (await keys.rotate({ keyId, masked, graceHours })).secret;
    },
    update: () => keys.update({ ...readKeyForm(form), keyId }).then(() => null),
    delete: () => keys.delete({ keyId }).then(() => null),
    suspend: () => keys.setStatus({ keyId, status: "disabled" }).then(() => null),
    activate: () => keys.setStatus({ keyId, status: "active" }).then(() => null),
  });
  const { fault, result } = await attempt(context, run);
  return data({ intent, fault, secret: result }, { status: fault ? 400 : 200 });
}

type Opened = { act: "create" } | { act: KeyAct; key: Key };
type Shown = { secret: string; isRotated: boolean };

export default function ApiKeys() {
  const t = useTexts();
  const { keys, endpoints, apiUrl } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const [params] = useSearchParams();
  // The address opens the dialog and nothing more: to change it when a key has come would break off the list's reload.
  const dialog = useFormDialog<Opened>(answer, params.has("create") ? { act: "create" } : null);
  const [shown, setShown] = useState<Shown | null>(null);
  useEffect(() => {
    if (answer?.secret) setShown({ secret: answer.secret, isRotated: answer.intent === "rotate" });
  }, [answer]);
  const create = () => dialog.open({ act: "create" });
  return (
    <>
      <PageHead title={t.keys.title}>
        <Button onClick={create}>
          <Plus aria-hidden className="size-4" />
          {t.keys.create}
        </Button>
      </PageHead>
      {!dialog.subject && <FormFault fault={answer?.fault} />}
      <Section isFlush>
        <KeyList
          keys={keys}
          onAct={(act, key) => dialog.open({ act, key })}
          empty={
            <Empty icon={KeyRound} title={t.keys.empty} lead={t.keys.emptyLead}>
              <Button onClick={create}>{t.keys.create}</Button>
            </Empty>
          }
        />
      </Section>
      <KeyDialog opened={dialog.subject} endpoints={endpoints} fault={dialog.fault} onClose={dialog.close} />
      <Dialog
        title={shown?.isRotated ? t.keys.rotatedTitle : t.keys.createdTitle}
        lead={t.keys.createdLead}
        isOpen={shown !== null}
        onOpenChange={() => setShown(null)}
        isWide
      >
        {shown && <NewSecret secret={shown.secret} apiUrl={apiUrl} />}
      </Dialog>
    </>
  );
}

type KeyDialogProps = { opened: Opened | null; endpoints: string[]; fault: Fault | null; onClose: () => void };

function KeyDialog({ opened, endpoints, fault, onClose }: KeyDialogProps) {
  const t = useTexts();
  if (!opened) return null;
  if (opened.act === "create") {
    return (
      <Dialog title={t.keys.createTitle} isOpen onOpenChange={onClose}>
        <KeyForm edited={null} endpoints={endpoints} fault={fault} />
      </Dialog>
    );
  }
  const { act, key } = opened;
  if (act === "update") {
    return (
      <Dialog title={t.keys.editTitle} isOpen onOpenChange={onClose}>
        <KeyForm edited={key} endpoints={endpoints} fault={fault} />
      </Dialog>
    );
  }
  if (act === "rotate") {
    return (
      <Dialog title={t.keys.rotateTitle} lead={t.keys.rotateLead(key.name)} isOpen onOpenChange={onClose}>
        {key.previousSecretUntil && <p className="mb-4 text-sm text-danger">{t.keys.rotateEndsOld}</p>}
        <Confirm of={key} fault={fault} intent="rotate" label={t.keys.rotate}>
          <input type="hidden" name="masked" value={key.masked} />
          <Select name="graceHours" label={t.keys.grace}>
            <option value="24">{t.keys.graces.day}</option>
            <option value="168">{t.keys.graces.week}</option>
            <option value="0">{t.keys.graces.none}</option>
          </Select>
        </Confirm>
      </Dialog>
    );
  }
  return (
    <Dialog title={t.keys.deleteTitle} lead={t.keys.deleteLead(key.name)} isOpen onOpenChange={onClose}>
      <Confirm of={key} fault={fault} intent="delete" look="danger" label={t.common.delete} />
    </Dialog>
  );
}

type ConfirmProps = {
  of: Key;
  fault: Fault | null;
  intent: KeyAct;
  look?: "primary" | "danger";
  label: string;
  children?: ReactNode;
};

function Confirm({ of, fault, intent, look = "primary", label, children }: ConfirmProps) {
  return (
    <Form method="post" className="space-y-5">
      <FormFault fault={fault} />
      <input type="hidden" name="keyId" value={of.id} />
      {children}
      <DialogActions>
        <Submit look={look} intent={intent}>
          {label}
        </Submit>
      </DialogActions>
    </Form>
  );
}

function NewSecret({ secret, apiUrl }: { secret: string; apiUrl: string }) {
  const t = useTexts();
  const shown = useRef<HTMLElement>(null);
  return (
    <>
      <code
        ref={shown}
        data-testid="new-secret"
        className="block rounded-lg bg-sunken px-3.5 py-3 font-mono text-sm break-all select-all"
      >
        {secret}
      </code>
      <div className="mt-4 flex justify-end">
        <CopyButton look="primary" text={secret} label={t.keys.copySecret} source={shown} />
      </div>
      <h3 className="mt-2 text-sm font-medium">{t.keys.snippets}</h3>
      <ClientSnippets secret={secret} apiUrl={apiUrl} />
    </>
  );
}
