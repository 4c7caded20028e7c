import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { AlertSettings, alertIntents, type AlertIntent } from "../components/alert-settings";
import { Submit } from "../components/ui/button";
import { Check, Field, FormFault, Note, TextField } from "../components/ui/field";
import { PageHead, Section } from "../components/ui/page";
import { attempt, requireAdmin, textOf, textOrNull, type UserApi } from "../guards";
import { typedUsd } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";

export const meta = titled((t) => t.settings.title);

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const [settings, alerts] = await Promise.all([caller.admin.settings.get(), caller.admin.alerts.get()]);
  return data({ settings, alerts }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const intent: AlertIntent | "general" = alertIntents.find((each) => each === form.get("intent")) ?? "general";
  const { fault } = await attempt(context, () =>
    intent === "general" ? saveGeneral(caller, form) : runAlerts(caller, form, intent),
  );
  return data({ intent, fault }, { status: fault ? 400 : 200 });
}

const saveGeneral = ({ admin }: UserApi["caller"], form: FormData) =>
  admin.settings.update({
    announcement: textOf(form, "announcement"),
    defaultBalanceUsd: textOf(form, "defaultBalanceUsd"),
    minimumTopUpUsd: textOf(form, "minimumTopUpUsd"),
    defaultRequestsPerMinute: textOrNull(form, "defaultRequestsPerMinute"),
    defaultTokensPerMinute: textOrNull(form, "defaultTokensPerMinute"),
    defaultConcurrentRequests: textOrNull(form, "defaultConcurrentRequests"),
    isRegistrationOpen: form.get("isRegistrationOpen") === "on",
    defaultMaxOutputTokens: textOf(form, "defaultMaxOutputTokens"),
    drainsOnDisconnect: form.get("drainsOnDisconnect") === "on",
    allowsPrivateUpstreams: form.get("allowsPrivateUpstreams") === "on",
    connectTimeoutSeconds: textOf(form, "connectTimeoutSeconds"),
    streamTimeoutSeconds: textOf(form, "streamTimeoutSeconds"),
    answerTimeoutSeconds: textOf(form, "answerTimeoutSeconds"),
    idleTimeoutSeconds: textOf(form, "idleTimeoutSeconds"),
    totalTimeoutSeconds: textOf(form, "totalTimeoutSeconds"),
    baseUrl: textOf(form, "baseUrl"),
    apiKey: textOf(form, "apiKey"),
  });

function runAlerts({ admin }: UserApi["caller"], form: FormData, intent: AlertIntent) {
  const typed = {
    lowBalanceUsd: textOf(form, "lowBalanceUsd"),
    webhookUrl: textOf(form, "webhookUrl"),
    webhookSecret: textOf(form, "webhookSecret"),
    smtpUrl: textOf(form, "smtpUrl"),
    emailFrom: textOf(form, "emailFrom"),
    emailTo: textOf(form, "emailTo"),
  };
  if (intent === "save-alerts") return admin.alerts.update(typed);
  return admin.alerts.test({ ...typed, channel: intent === "test-webhook" ? "webhook" : "email" });
}

const timeouts = [
  ["connectTimeoutSeconds", (t: Texts) => t.settings.connectTimeout],
  ["streamTimeoutSeconds", (t: Texts) => t.settings.streamTimeout],
  ["answerTimeoutSeconds", (t: Texts) => t.settings.answerTimeout],
  ["idleTimeoutSeconds", (t: Texts) => t.settings.idleTimeout],
  ["totalTimeoutSeconds", (t: Texts) => t.settings.totalTimeout],
] as const;

export default function Settings() {
  const t = useTexts();
  const { settings, alerts } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>() ?? null;
  const general = answer?.intent === "general" ? answer : null;
  const alertAnswer = answer && answer.intent !== "general" ? { ...answer, intent: answer.intent } : null;
  const fields: Record<string, string> = general?.fault?.fields ?? {};
  return (
    <>
      <Form method="post">
        <PageHead title={t.settings.title}>
          <Submit intent="general">{t.settings.submit}</Submit>
        </PageHead>
        <FormFault fault={general?.fault} />
        {general && !general.fault && <Note look="good">{t.settings.saved}</Note>}
        <Section title={t.settings.openai}>
          <div className="max-w-xl space-y-5">
            <Field
              name="apiKey"
              label={t.settings.key}
              type="password"
              autoComplete="off"
              placeholder={settings.upstream ? `sk-••••••••${settings.upstream.keyLastFour}` : ""}
              hint={t.settings.keyHint}
              error={fields.apiKey}
            />
            <Field
              name="baseUrl"
              label={t.settings.baseUrl}
              defaultValue={settings.upstream?.baseUrl ?? "https://api.openai.com/v1"}
              required
              error={fields.baseUrl}
            />
            <Check
              name="allowsPrivateUpstreams"
              label={t.settings.private}
              defaultChecked={settings.allowsPrivateUpstreams}
            />
            <Check name="drainsOnDisconnect" label={t.settings.drains} defaultChecked={settings.drainsOnDisconnect} />
          </div>
        </Section>
        <Section title={t.settings.announcement}>
          <div className="max-w-xl">
            <TextField
              name="announcement"
              label={t.settings.announcement}
              isLabelHidden
              hint={t.settings.announcementHint}
              rows={4}
              defaultValue={settings.announcement}
              error={fields.announcement}
            />
          </div>
        </Section>
        <Section title={t.settings.users}>
          <div className="max-w-xl space-y-5">
            <div className="grid gap-5 sm:grid-cols-2">
              <Field
                name="defaultBalanceUsd"
                label={t.settings.balance}
                inputMode="decimal"
                defaultValue={typedUsd(settings.defaultBalanceUsd)}
                required
                error={fields.defaultBalanceUsd}
              />
              <Field
                name="minimumTopUpUsd"
                label={t.settings.minimum}
                inputMode="decimal"
                defaultValue={typedUsd(settings.minimumTopUpUsd)}
                hint={t.settings.minimumHint}
                required
                error={fields.minimumTopUpUsd}
              />
            </div>
            <Check name="isRegistrationOpen" label={t.settings.open} defaultChecked={settings.isRegistrationOpen} />
          </div>
        </Section>
        <Section title={t.settings.limits} lead={t.settings.limitsLead}>
          <div className="grid max-w-xl gap-5 sm:grid-cols-2">
            <Field
              name="defaultRequestsPerMinute"
              label={t.settings.rpm}
              inputMode="numeric"
              placeholder={t.common.unlimited}
              defaultValue={settings.defaultRequestsPerMinute ?? ""}
              error={fields.defaultRequestsPerMinute}
            />
            <Field
              name="defaultTokensPerMinute"
              label={t.settings.tpm}
              inputMode="numeric"
              placeholder={t.common.unlimited}
              defaultValue={settings.defaultTokensPerMinute ?? ""}
              error={fields.defaultTokensPerMinute}
            />
            <Field
              name="defaultConcurrentRequests"
              label={t.settings.concurrent}
              inputMode="numeric"
              placeholder={t.common.unlimited}
              defaultValue={settings.defaultConcurrentRequests ?? ""}
              error={fields.defaultConcurrentRequests}
            />
            <Field
              name="defaultMaxOutputTokens"
              label={t.settings.maxOutput}
              inputMode="numeric"
              defaultValue={settings.defaultMaxOutputTokens}
              hint={t.settings.maxOutputHint}
              required
              error={fields.defaultMaxOutputTokens}
            />
          </div>
        </Section>
        <Section title={t.settings.timeouts} lead={t.settings.timeoutsLead}>
          <div className="grid max-w-xl gap-5 sm:grid-cols-2">
            {timeouts.map(([name, labelOf]) => (
              <Field
                key={name}
                name={name}
                label={labelOf(t)}
                inputMode="numeric"
                defaultValue={settings[name]}
                required
                error={fields[name]}
              />
            ))}
          </div>
        </Section>
      </Form>
      <AlertSettings alerts={alerts} answer={alertAnswer} />
    </>
  );
}
