import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useSearchParams } from "@remix-run/react";
import { CredentialFields } from "../components/credential-fields";
import { Card } from "../components/shell";
import { Submit } from "../components/ui/button";
import { FormFault, Note } from "../components/ui/field";
import { attempt, headersOfAnswer, initOf, nextOf, requireStranger, textOf } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.login.title);
export const clientAction = keepForm;
export const headers = headersOfAnswer;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { headers } = await requireStranger(request, context);
  return data(null, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  const form = await request.formData();
  const credentials = { email: textOf(form, "email"), password: textOf(form, "password") };
  const { fault } = await attempt(context, () => caller.auth.login(credentials));
  return fault
    ? data({ fault, email: credentials.email }, initOf(fault))
    : redirect(nextOf(request) ?? "/", { headers });
}

export default function Login() {
  const t = useTexts();
  const answer = useActionData<typeof action>();
  const fault = answer?.fault;
  const [params] = useSearchParams();
  return (
    <Card title={t.login.title} lead={t.login.lead}>
      <Form method="post" className="mt-8 space-y-5">
        {params.has("over") && !fault && <Note look="warn">{t.login.over}</Note>}
        <FormFault fault={fault} />
        <CredentialFields email={answer?.email} fault={fault} />
        <Submit className="w-full">{t.login.submit}</Submit>
      </Form>
      <p className="mt-6 text-sm text-muted">
        {t.login.noAccount}{" "}
        <Link to="/register" className="font-medium text-accent underline underline-offset-4">
          {t.login.register}
        </Link>
      </p>
    </Card>
  );
}
