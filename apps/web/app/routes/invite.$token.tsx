import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { CredentialFields } from "../components/credential-fields";
import { ErrorPage } from "../components/error-page";
import { LoggedInNote } from "../components/logged-in-note";
import { Card } from "../components/shell";
import { Submit } from "../components/ui/button";
import { FormFault } from "../components/ui/field";
import { attempt, headersOfAnswer, initOf, textOf } from "../guards";
import { exactUsd } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.people.inviteTitle);
export const headers = headersOfAnswer;
export const clientAction = keepForm;

export async function loader({ request, context, params }: LoaderFunctionArgs) {
  const { caller, user, headers } = await context.api(request);
  const invite = await caller.auth.invite({ token: params.token ?? "" });
  if (!invite) throw new Response("Not found", { status: 404 });
  return data({ invite, loggedInAs: user?.email ?? null }, { headers });
}

export async function action({ request, context, params }: ActionFunctionArgs) {
  const { caller, headers } = await context.api(request);
  const form = await request.formData();
  const credentials = { email: textOf(form, "email"), password: textOf(form, "password") };
  const { fault } = await attempt(context, () =>
    caller.auth.acceptInvite({ ...credentials, token: params.token ?? "" }),
  );
  return fault ? data({ fault, email: credentials.email }, initOf(fault)) : redirect("/", { headers });
}

/** A link that holds no more. */
export function ErrorBoundary() {
  const t = useTexts();
  const link = { to: "/login", label: t.people.toLogin };
  return <ErrorPage notFound={{ title: t.people.linkGoneTitle, lead: t.people.inviteGone, link }} />;
}

export default function Invite() {
  const t = useTexts();
  const { invite, loggedInAs } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const hasBalance = /[1-9]/.test(invite.creditUsd);
  const lead = [
    t.people.inviteLead(t.people.roles[invite.role]),
    hasBalance && t.people.inviteBalance(exactUsd(invite.creditUsd)),
  ];
  return (
    <Card title={t.people.inviteTitle} lead={lead.filter(Boolean).join(" ")}>
      {loggedInAs ? (
        <LoggedInNote email={loggedInAs} />
      ) : (
        <Form method="post" className="mt-8 space-y-5">
          <FormFault fault={answer?.fault} />
          <CredentialFields email={answer?.email ?? invite.email ?? undefined} fault={answer?.fault} isNew />
          <Submit className="w-full">{t.people.inviteSubmit}</Submit>
        </Form>
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
