import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { CredentialFields } from "../components/credential-fields";
import { Card } from "../components/shell";
import { Submit } from "../components/ui/button";
import { FormFault, Note } from "../components/ui/field";
import { attempt, headersOfAnswer, initOf, requireStranger, textOf } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.register.title);
export const clientAction = keepForm;
export const headers = headersOfAnswer;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  return data(await caller.auth.registration(), { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  const form = await request.formData();
  const credentials = { email: textOf(form, "email"), password: textOf(form, "password") };
  const { fault } = await attempt(context, () => caller.auth.register(credentials));
  return fault ? data({ fault, email: credentials.email }, initOf(fault)) : redirect("/", { headers });
}

export default function Register() {
  const t = useTexts();
  const { isOpen } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const fault = answer?.fault;
  return (
    <Card title={t.register.title} {...(isOpen ? { lead: t.register.lead } : {})}>
      {isOpen ? (
        <Form method="post" className="mt-8 space-y-5">
          <FormFault fault={fault} />
          <CredentialFields email={answer?.email} fault={fault} isNew />
          <Submit className="w-full">{t.register.submit}</Submit>
        </Form>
      ) : (
        <div className="mt-6">
          <Note look="warn">{t.register.closed}</Note>
        </div>
      )}
      <p className="mt-6 text-sm text-muted">
        {t.register.hasAccount}{" "}
        <Link to="/login" className="font-medium text-accent underline underline-offset-4">
          {t.register.login}
        </Link>
      </p>
    </Card>
  );
}
