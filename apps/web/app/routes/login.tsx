import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData, useSearchParams } from "@remix-run/react";
import { CredentialFields } from "../components/credential-fields";
import { Card } from "../components/shell";
import { Submit } from "../components/ui/button";
import { Field, FormFault, Note } from "../components/ui/field";
import { attempt, headersOfAnswer, initOf, nextOf, requireStranger, textOf, type Fault } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.login.title);
export const clientAction = keepForm;
export const headers = headersOfAnswer;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  return data(await caller.auth.resetByMail(), { headers });
}

/** E-mail address and password first; then, where the account has one, the second factor. */
export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  const form = await request.formData();
  const into = () => redirect(nextOf(request) ?? "/", { headers });
  const challenge = textOf(form, "challenge");
  if (challenge !== "") {
    const { fault } = await attempt(context, () => caller.auth.secondFactor({ challenge, code: textOf(form, "code") }));
    // Without a field it is the challenge that holds no more: from the beginning.
    const isKept = fault !== null && (fault.fields.code !== undefined || fault.wait != null);
    return fault ? data({ fault, email: "", challenge: isKept ? challenge : null }, initOf(fault)) : into();
  }
  const credentials = { email: textOf(form, "email"), password: textOf(form, "password") };
  const { fault, result } = await attempt(context, () => caller.auth.login(credentials));
  if (fault) return data({ fault, email: credentials.email, challenge: null }, initOf(fault));
  return result.isDone ? into() : data({ fault: null, email: credentials.email, challenge: result.challenge });
}

export default function Login() {
  const t = useTexts();
  const answer = useActionData<typeof action>();
  const fault = answer?.fault;
  const { isOffered } = useLoaderData<typeof loader>();
  const [params] = useSearchParams();
  if (answer?.challenge) return <SecondFactor challenge={answer.challenge} fault={answer.fault} />;
  return (
    <Card title={t.login.title} lead={t.login.lead}>
      <Form method="post" className="mt-8 space-y-5">
        {params.has("reset") && !fault && <Note look="good">{t.people.resetDone}</Note>}
        {params.has("over") && !fault && <Note look="warn">{t.login.over}</Note>}
        <FormFault fault={fault} />
        <CredentialFields email={answer?.email} fault={fault} />
        <Submit className="w-full">{t.login.submit}</Submit>
      </Form>
      {isOffered && (
        <p className="mt-4 text-sm">
          <Link to="/reset" className="text-muted underline underline-offset-4 hover:text-ink">
            {t.people.forgot}
          </Link>
        </p>
      )}
      <p className="mt-6 text-sm text-muted">
        {t.login.noAccount}{" "}
        <Link to="/register" className="font-medium text-accent underline underline-offset-4">
          {t.login.register}
        </Link>
      </p>
    </Card>
  );
}

function SecondFactor({ challenge, fault }: { challenge: string; fault: Fault | null }) {
  const t = useTexts();
  return (
    <Card title={t.people.codeTitle} lead={t.people.codeLead}>
      <Form method="post" className="mt-8 space-y-5">
        <FormFault fault={fault} />
        <input type="hidden" name="challenge" value={challenge} />
        <Field
          name="code"
          label={t.people.code}
          autoComplete="one-time-code"
          maxLength={40}
          autoFocus
          required
          error={fault?.fields.code}
        />
        <Submit className="w-full">{t.people.codeSubmit}</Submit>
      </Form>
      <p className="mt-6 text-sm">
        <a href="/login" className="text-muted underline underline-offset-4 hover:text-ink">
          {t.people.codeBack}
        </a>
      </p>
    </Card>
  );
}
