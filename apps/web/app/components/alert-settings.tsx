/** The form of alerts: who is told and how, with a test of each channel by what is typed. */
import type { PageApi } from "@codex-gateway/api";
import { Form } from "@remix-run/react";
import type { Fault } from "../guards";
import { exactUsd } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { Field, FormFault, Note } from "./ui/field";
import { Section } from "./ui/page";

export const alertIntents = ["save-alerts", "test-webhook", "test-email"] as const;
export type AlertIntent = (typeof alertIntents)[number];

type Alerts = Awaited<ReturnType<PageApi["caller"]["admin"]["alerts"]["get"]>>;
/** To the last submission of this form. */
type Answer = { intent: AlertIntent; fault: Fault | null } | null;

export function AlertSettings({ alerts, answer }: { alerts: Alerts; answer: Answer }) {
  const t = useTexts();
  const fields: Record<string, string> = answer?.fault?.fields ?? {};
  return (
    <Form method="post">
      <Section title={t.settings.alerts.title} lead={t.settings.alerts.lead}>
        <div className="max-w-xl space-y-5">
          <Field
            name="lowBalanceUsd"
            label={t.settings.alerts.threshold}
            inputMode="decimal"
            defaultValue={exactUsd(alerts.lowBalanceUsd).replace("$", "")}
            hint={t.settings.alerts.thresholdHint}
            required
            error={fields.lowBalanceUsd}
          />
          <Field
            name="webhookUrl"
            label={t.settings.alerts.webhookUrl}
            defaultValue={alerts.webhookUrl}
            placeholder="https://"
            hint={t.settings.alerts.webhookUrlHint}
            error={fields.webhookUrl}
          />
          <Field
            name="webhookSecret"
            label={t.settings.alerts.webhookSecret}
            type="password"
            autoComplete="off"
            hint={alerts.hasWebhookSecret ? t.settings.alerts.kept : t.settings.alerts.webhookSecretHint}
            error={fields.webhookSecret}
          />
          <TestButton intent="test-webhook" label={t.settings.alerts.testWebhook} answer={answer} />
          <Field
            name="smtpUrl"
            label={t.settings.alerts.smtpUrl}
            type="password"
            autoComplete="off"
            hint={alerts.hasSmtpUrl ? t.settings.alerts.kept : t.settings.alerts.smtpUrlHint}
            error={fields.smtpUrl}
          />
          <div className="grid gap-5 sm:grid-cols-2">
            <Field
              name="emailFrom"
              label={t.settings.alerts.emailFrom}
              defaultValue={alerts.emailFrom}
              error={fields.emailFrom}
            />
            <Field
              name="emailTo"
              label={t.settings.alerts.emailTo}
              defaultValue={alerts.emailTo}
              hint={t.settings.alerts.emailToHint}
              error={fields.emailTo}
            />
          </div>
          <TestButton intent="test-email" label={t.settings.alerts.testEmail} answer={answer} />
          <Outcome of="save-alerts" answer={answer} success={t.settings.alerts.saved} />
          <Submit intent="save-alerts">{t.settings.alerts.submit}</Submit>
        </div>
      </Section>
    </Form>
  );
}

function TestButton({ intent, label, answer }: { intent: AlertIntent; label: string; answer: Answer }) {
  const t = useTexts();
  return (
    <div className="space-y-3">
      <Submit look="quiet" intent={intent}>
        {label}
      </Submit>
      <Outcome of={intent} answer={answer} success={t.settings.alerts.tested} />
    </div>
  );
}

function Outcome({ of, answer, success }: { of: AlertIntent; answer: Answer; success: string }) {
  if (answer?.intent !== of) return null;
  return answer.fault ? <FormFault fault={answer.fault} /> : <Note look="good">{success}</Note>;
}
