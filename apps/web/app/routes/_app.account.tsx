import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData, useSearchParams } from "@remix-run/react";
import { MonitorSmartphone } from "lucide-react";
import { Button, Submit } from "../components/ui/button";
import { Field, FormFault, Note, Select } from "../components/ui/field";
import { Badge, PageHead, Section } from "../components/ui/page";
import { attempt, byIntent, headersOfAnswer, initOf, requireUser, textOf } from "../guards";
import { useFormat } from "../i18n/format";
import { titled, usePreferences, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.account.title);
export const clientAction = keepForm;
export const headers = headersOfAnswer;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, user, headers } = await requireUser(request, context);
  return data({ user, sessions: await caller.account.sessions() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await requireUser(request, context);
  const form = await request.formData();
  const currentPassword = textOf(form, "currentPassword");
  const { intent, run } = byIntent(form, {
    email: () => caller.account.changeEmail({ email: textOf(form, "email"), currentPassword }),
    password: () => caller.account.changePassword({ password: textOf(form, "password"), currentPassword }),
    revoke: () => caller.account.revokeSession({ sessionId: textOf(form, "sessionId") }),
  });
  const { fault } = await attempt(context, run);
  // A new session begins with these: the page is shown to its cookie, not to the one that has ended.
  if (!fault && intent !== "revoke") throw redirect(`/account?changed=${intent}`, { headers });
  return data({ fault, intent }, initOf(fault));
}

/** `Chrome · Windows` of a user agent; null where it says neither. */
function deviceOf(userAgent: string): string | null {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari|curl|node)/.exec(userAgent)?.[1];
  const system = /(Windows|Mac OS X|Android|iPhone|iPad|Linux)/.exec(userAgent)?.[1];
  const name = browser === "Edg" ? "Edge" : browser === "OPR" ? "Opera" : browser;
  return [name, system].filter(Boolean).join(" · ") || null;
}

export default function Account() {
  const t = useTexts();
  const format = useFormat();
  const { user, sessions } = useLoaderData<typeof loader>();
  const { language, theme } = usePreferences();
  const answer = useActionData<typeof action>();
  const faultOf = (intent: string) => (answer?.intent === intent ? answer.fault : null);
  const [params] = useSearchParams();
  const isDone = (intent: string) => !answer && params.get("changed") === intent;
  return (
    <>
      <PageHead title={t.account.title} lead={user.email} />
      <div className="-mt-6 grid gap-x-6 lg:grid-cols-2">
        <Section title={t.account.emailTitle}>
          <Form method="post" className="space-y-5" key={isDone("email") ? user.email : "email"}>
            {isDone("email") && <Note look="good">{t.account.emailChanged}</Note>}
            <FormFault fault={faultOf("email")} />
            <Field
              name="email"
              label={t.account.newEmail}
              type="email"
              autoComplete="email"
              placeholder={user.email}
              required
              error={faultOf("email")?.fields.email}
            />
            <Field
              id="email-current"
              name="currentPassword"
              label={t.account.current}
              type="password"
              autoComplete="current-password"
              required
              error={faultOf("email")?.fields.currentPassword}
            />
            <Submit intent="email">{t.account.changeEmail}</Submit>
          </Form>
        </Section>
        <Section title={t.account.passwordTitle}>
          <Form method="post" className="space-y-5">
            {isDone("password") && <Note look="good">{t.account.passwordChanged}</Note>}
            <FormFault fault={faultOf("password")} />
            <Field
              name="password"
              label={t.account.newPassword}
              type="password"
              autoComplete="new-password"
              minLength={8}
              required
              hint={t.register.passwordHint}
              error={faultOf("password")?.fields.password}
            />
            <Field
              id="password-current"
              name="currentPassword"
              label={t.account.current}
              type="password"
              autoComplete="current-password"
              required
              error={faultOf("password")?.fields.currentPassword}
            />
            <Submit intent="password">{t.account.changePassword}</Submit>
          </Form>
        </Section>
      </div>
      <Section title={t.account.sessions} lead={t.account.sessionsLead}>
        <FormFault fault={faultOf("revoke")} />
        <ul className="divide-y divide-line">
          {sessions.map((session) => {
            const device = deviceOf(session.userAgent) ?? t.account.unknownDevice;
            return (
              <li key={session.id} className="flex items-center gap-4 py-3 first:pt-0 last:pb-0">
                <MonitorSmartphone aria-hidden className="size-5 shrink-0 text-muted" />
                <div className="min-w-0 flex-1">
                  <p className="flex flex-wrap items-center gap-2 text-sm font-medium">
                    {device}
                    {session.isCurrent && <Badge look="good">{t.account.thisOne}</Badge>}
                  </p>
                  <p className="text-sm text-muted tabular-nums">
                    {session.address} · {format.minute(session.createdAt)}
                  </p>
                </div>
                {!session.isCurrent && (
                  <Form method="post">
                    <input type="hidden" name="sessionId" value={session.id} />
                    <Submit look="quiet" intent="revoke" aria-label={t.account.revokeOf(device)}>
                      {t.account.revoke}
                    </Submit>
                  </Form>
                )}
              </li>
            );
          })}
        </ul>
      </Section>
      <Section title={t.account.preferences}>
        <Form method="post" action="/preferences" reloadDocument className="flex flex-wrap items-end gap-4">
          <input type="hidden" name="next" value="/account" />
          <Select name="language" label={t.account.languageLabel} defaultValue={language}>
            <option value="zh-CN">简体中文</option>
            <option value="en">English</option>
          </Select>
          <Select name="theme" label={t.nav.theme} defaultValue={theme}>
            {(["system", "light", "dark"] as const).map((each) => (
              <option key={each} value={each}>
                {t.nav.themes[each]}
              </option>
            ))}
          </Select>
          <Button type="submit" look="quiet">
            {t.nav.apply}
          </Button>
        </Form>
      </Section>
    </>
  );
}
