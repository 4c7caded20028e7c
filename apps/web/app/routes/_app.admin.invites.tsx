import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { MailPlus } from "lucide-react";
import type { PageApi } from "@codex-gateway/api";
import { Changes } from "../components/read-only";
import { RoleFields } from "../components/role-fields";
import { SecretLink } from "../components/secret-link";
import { Button, Submit } from "../components/ui/button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { Field, FormFault } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Badge, Empty, PageHead, pageOf, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, byIntent, initOf, requireAdmin, textOf, textOrNull, type Fault } from "../guards";
import { exactUsd, typedUsd, usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { roleOf } from "../roles";

export const meta = titled((t) => t.people.invites);
export const clientAction = keepForm;

const pageSize = 20;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const page = pageOf(request);
  const [found, settings] = await Promise.all([
    caller.admin.invites.list({ limit: pageSize, offset: (page - 1) * pageSize }),
    caller.admin.settings.get(),
  ]);
  return data({ ...found, page, defaultBalanceUsd: settings.defaultBalanceUsd }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const { invites } = caller.admin;
  /** To the link, where there is a new one. */
  const { intent, run } = byIntent<string, string | null>(form, {
    create: async () => {
      const { token } = await invites.create({
        role: roleOf(textOf(form, "role")),
        balanceUsd: textOf(form, "balanceUsd"),
        email: textOrNull(form, "email"),
        note: textOf(form, "note"),
        maxUses: textOf(form, "maxUses"),
        lastDay: textOrNull(form, "lastDay"),
      });
      return context.linkFor(`/invite/${token}`);
    },
    withdraw: () => invites.withdraw({ inviteId: textOf(form, "inviteId") }).then(() => null),
  });
  const { fault, result } = await attempt(context, run);
  return data({ intent, fault, url: result }, initOf(fault));
}

type Invite = Awaited<ReturnType<PageApi["caller"]["admin"]["invites"]["list"]>>["invites"][number];
const looks = { open: "good", used: "plain", expired: "bad", withdrawn: "bad" } as const;

export default function Invites() {
  const t = useTexts();
  const format = useFormat();
  const { invites, total, page, defaultBalanceUsd } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const withdrawing = useFormDialog<Invite>(answer);
  const nameOf = ({ email, note }: Invite) => email ?? (note || t.people.anybody);
  return (
    <>
      <PageHead
        back={{ to: "/admin/users", label: t.people.backToUsers }}
        title={t.people.invites}
        lead={t.people.invitesLead}
      />
      {answer?.url && (
        <div role="status">
          <Section title={t.people.createdTitle}>
            <SecretLink url={answer.url} expiresAt={null} />
          </Section>
        </div>
      )}
      <Changes>
        <Section title={t.people.newInvite}>
          <InviteForm
            key={answer?.url ?? "new"}
            fault={answer?.intent === "create" ? answer.fault : null}
            balanceUsd={defaultBalanceUsd}
          />
        </Section>
      </Changes>
      <Section isFlush>
        <List
          rows={invites}
          keyOf={({ id }) => id}
          empty={<Empty icon={MailPlus} title={t.people.noInvites} lead={t.people.noInvitesLead} />}
          paging={{ page, pageSize, total }}
          columns={[
            {
              name: t.people.inviteColumns.invite,
              className: "wrap-anywhere",
              of: (invite) => (
                <span>
                  <span className="font-medium">{nameOf(invite)}</span>
                  {invite.email && invite.note && <span className="block text-muted">{invite.note}</span>}
                </span>
              ),
            },
            { name: t.people.inviteColumns.role, of: ({ role }) => t.people.roles[role] },
            {
              name: t.people.inviteColumns.balance,
              isNumber: true,
              of: ({ creditUsd }) => usd(creditUsd),
              title: ({ creditUsd }) => exactUsd(creditUsd),
            },
            {
              name: t.people.inviteColumns.uses,
              isNumber: true,
              of: ({ uses, maxUses }) => `${format.count(uses)} / ${format.count(maxUses)}`,
            },
            {
              name: t.people.inviteColumns.until,
              of: ({ expiresAt }) => (expiresAt ? format.lastDay(expiresAt) : t.common.none),
            },
            {
              name: t.people.inviteColumns.state,
              of: ({ state }) => <Badge look={looks[state]}>{t.people.states[state]}</Badge>,
            },
            {
              name: t.people.inviteColumns.by,
              isHiddenOnTablets: true,
              className: "wrap-anywhere text-muted",
              of: ({ createdByEmail }) => createdByEmail,
            },
            {
              name: t.common.actions,
              isNumber: true,
              isUnnamed: true,
              of: (invite) =>
                invite.state === "open" && (
                  <Changes>
                    <Button
                      look="quiet"
                      aria-label={t.people.withdrawOf(nameOf(invite))}
                      onClick={() => withdrawing.open(invite)}
                    >
                      {t.people.withdraw}
                    </Button>
                  </Changes>
                ),
            },
          ]}
        />
      </Section>
      {withdrawing.subject && (
        <Dialog title={t.people.withdrawTitle} lead={t.people.withdrawLead} isOpen onOpenChange={withdrawing.close}>
          <Form method="post" className="space-y-5">
            <FormFault fault={withdrawing.fault} />
            <input type="hidden" name="inviteId" value={withdrawing.subject.id} />
            <DialogActions>
              <Submit look="danger" intent="withdraw">
                {t.people.withdraw}
              </Submit>
            </DialogActions>
          </Form>
        </Dialog>
      )}
    </>
  );
}

function InviteForm({ fault, balanceUsd }: { fault: Fault | null; balanceUsd: string }) {
  const t = useTexts();
  const fields: Record<string, string> = fault?.fields ?? {};
  return (
    <Form method="post" className="grid gap-6 lg:grid-cols-2">
      <div className="space-y-5">
        <FormFault fault={fault} />
        <RoleFields chosen="user" />
      </div>
      <div className="grid content-start gap-5 sm:grid-cols-2">
        <Field
          name="balanceUsd"
          label={t.people.balance}
          inputMode="decimal"
          defaultValue={typedUsd(balanceUsd)}
          required
          error={fields.balanceUsd}
        />
        <Field
          name="maxUses"
          label={t.people.uses}
          inputMode="numeric"
          defaultValue="1"
          required
          error={fields.maxUses}
        />
        <Field
          name="email"
          label={t.people.inviteEmail}
          type="email"
          autoComplete="off"
          hint={t.people.inviteEmailHint}
          error={fields.email}
        />
        <Field name="lastDay" label={t.people.lastDay} type="date" hint={t.people.lastDayHint} error={fields.lastDay} />
        <div className="sm:col-span-2">
          <Field name="note" label={t.people.note} maxLength={200} error={fields.note} />
        </div>
        <div className="sm:col-span-2">
          <Submit intent="create">{t.people.createInvite}</Submit>
        </div>
      </div>
    </Form>
  );
}
