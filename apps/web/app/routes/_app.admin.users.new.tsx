import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { RoleFields } from "../components/role-fields";
import { SecretLink } from "../components/secret-link";
import { LinkButton, Submit } from "../components/ui/button";
import { Field, FormFault } from "../components/ui/field";
import { PageHead, Section } from "../components/ui/page";
import { attempt, initOf, requireAdmin, requireChanges, textOf } from "../guards";
import { typedUsd } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { roleOf } from "../roles";

export const meta = titled((t) => t.people.add);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireChanges(request, context);
  const { defaultBalanceUsd } = await caller.admin.settings.get();
  return data({ defaultBalanceUsd }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const email = textOf(form, "email");
  const { fault, result } = await attempt(context, () =>
    caller.admin.users.create({ email, role: roleOf(textOf(form, "role")), balanceUsd: textOf(form, "balanceUsd") }),
  );
  const added = result && {
    userId: result.userId,
    url: await context.linkFor(`/reset/${result.link.token}`),
    expiresAt: result.link.expiresAt,
  };
  return data({ fault, added, email }, initOf(fault));
}

export default function NewUser() {
  const t = useTexts();
  const { defaultBalanceUsd } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const fields: Record<string, string> = answer?.fault?.fields ?? {};
  const added = answer?.added;
  return (
    <>
      <PageHead
        back={{ to: "/admin/users", label: t.people.backToUsers }}
        title={t.people.add}
        lead={t.people.addLead}
      />
      <div className="max-w-xl">
        {added ? (
          <Section title={t.people.addedTitle(answer.email)} lead={t.people.addedLead}>
            <SecretLink url={added.url} expiresAt={added.expiresAt} />
            <div className="mt-6 flex flex-wrap gap-2">
              <LinkButton look="quiet" to={`/admin/users/${added.userId}`}>
                {t.people.showUser}
              </LinkButton>
              <LinkButton look="quiet" to="/admin/users/new">
                {t.people.addAnother}
              </LinkButton>
            </div>
          </Section>
        ) : (
          <Section>
            <Form method="post" className="space-y-5">
              <FormFault fault={answer?.fault} />
              <Field
                name="email"
                label={t.common.email}
                type="email"
                autoComplete="off"
                placeholder="user@example.com"
                defaultValue={answer?.email}
                required
                error={fields.email}
              />
              <RoleFields chosen="user" />
              <Field
                name="balanceUsd"
                label={t.people.balance}
                inputMode="decimal"
                defaultValue={typedUsd(defaultBalanceUsd)}
                required
                error={fields.balanceUsd}
              />
              <Submit>{t.people.addSubmit}</Submit>
            </Form>
          </Section>
        )}
      </div>
    </>
  );
}
