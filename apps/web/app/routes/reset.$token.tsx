import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { ErrorPage } from "../components/error-page";
import { Card } from "../components/shell";
import { Submit } from "../components/ui/button";
import { Field, FormFault } from "../components/ui/field";
import { attempt, headersOfAnswer, initOf, textOf } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.people.chooseTitle);
export const headers = headersOfAnswer;
export const clientAction = keepForm;

export async function loader({ request, context, params }: LoaderFunctionArgs) {
  const { caller, headers } = await context.api(request);
  const found = await caller.auth.resetLink({ token: params.token ?? "" });
  if (!found) throw new Response("Not found", { status: 404 });
  return data(found, { headers });
}

export async function action({ request, context, params }: ActionFunctionArgs) {
  const { caller, headers } = await context.api(request);
  const form = await request.formData();
  const { fault, result } = await attempt(context, () =>
    caller.auth.completeReset({ token: params.token ?? "", password: textOf(form, "password") }),
  );
  if (fault) return data({ fault }, initOf(fault));
  return redirect(result.isLoggedIn ? "/" : "/login?reset", { headers });
}

/** A link that holds no more. */
export function ErrorBoundary() {
  const t = useTexts();
  const link = { to: "/login", label: t.people.toLogin };
  return <ErrorPage notFound={{ title: t.people.linkGoneTitle, lead: t.people.resetGone, link }} />;
}

export default function ChoosePassword() {
  const t = useTexts();
  const { email } = useLoaderData<typeof loader>();
  const fault = useActionData<typeof action>()?.fault;
  return (
    <Card title={t.people.chooseTitle} lead={t.people.chooseLead(email)}>
      <Form method="post" className="mt-8 space-y-5">
        <FormFault fault={fault} />
        {/* So that password managers know whose it is. */}
        <input type="email" name="username" value={email} autoComplete="username" readOnly hidden />
        <Field
          name="password"
          label={t.account.newPassword}
          type="password"
          autoComplete="new-password"
          minLength={8}
          required
          hint={t.register.passwordHint}
          error={fault?.fields.password}
        />
        <Submit className="w-full">{t.people.chooseSubmit}</Submit>
      </Form>
    </Card>
  );
}
