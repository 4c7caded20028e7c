import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { Card } from "../components/shell";
import { Submit } from "../components/ui/button";
import { Field, FormFault, Note } from "../components/ui/field";
import { attempt, headersOfAnswer, initOf, requireStranger, textOf } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.people.forgotTitle);
export const headers = headersOfAnswer;
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  return data(await caller.auth.resetByMail(), { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireStranger(request, context);
  const email = textOf(await request.formData(), "email");
  const { fault } = await attempt(context, () => caller.auth.requestReset({ email }));
  return data({ fault, email }, initOf(fault));
}

export default function Forgot() {
  const t = useTexts();
  const { isOffered } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const isSent = answer !== undefined && !answer.fault;
  return (
    <Card title={t.people.forgotTitle} lead={t.people.forgotLead}>
      <div className="mt-8">
        {!isOffered ? (
          <Note look="warn">{t.people.forgotUnavailable}</Note>
        ) : isSent ? (
          <Note look="good">{t.people.forgotSent(answer.email)}</Note>
        ) : (
          <Form method="post" className="space-y-5">
            <FormFault fault={answer?.fault} />
            <Field
              name="email"
              label={t.common.email}
              type="email"
              autoComplete="username"
              defaultValue={answer?.email}
              required
              error={answer?.fault?.fields.email}
            />
            <Submit className="w-full">{t.people.forgotSubmit}</Submit>
          </Form>
        )}
      </div>
      <p className="mt-6 text-sm">
        <Link to="/login" className="font-medium text-accent underline underline-offset-4">
          {t.people.toLogin}
        </Link>
      </p>
    </Card>
  );
}
