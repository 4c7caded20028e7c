/** The settings of alerts: who is told and how, with a test of each channel by what is typed. */
import type { PageApi } from "@codex-gateway/api";
import { useMutation } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { useCallFault } from "../call-fault";
import { textOf, type Fault } from "../guards";
import { typedUsd, useFormat } from "../i18n/format";
import { useServerMessage, useTexts } from "../i18n/use-texts";
import { useTRPC } from "../trpc";
import { ChangeButton } from "./ui/button";
import { Field, FormFault, Note } from "./ui/field";
import { Section } from "./ui/page";

type Api = PageApi["caller"]["admin"]["alerts"];
type Failures = Awaited<ReturnType<Api["failures"]>>;
type Channel = keyof Failures;
type Props = {
  alerts: Awaited<ReturnType<Api["get"]>>;
  failures: Failures;
  /** To the last submission of the settings. */
  answer: { fault: Fault | null } | null;
};

export const readAlertForm = (form: FormData) => ({
  lowBalanceUsd: textOf(form, "lowBalanceUsd"),
  webhookUrl: textOf(form, "webhookUrl"),
  webhookSecret: textOf(form, "webhookSecret"),
  smtpUrl: textOf(form, "smtpUrl"),
  emailFrom: textOf(form, "emailFrom"),
  emailTo: textOf(form, "emailTo"),
});

export function AlertSettings({ alerts, failures, answer }: Props) {
  const t = useTexts();
  const trpc = useTRPC();
  const faultOf = useCallFault();
  const test = useMutation(trpc.admin.alerts.test.mutationOptions());
  const tested = test.variables?.channel;
  // A test is younger than the last submission, whose answer clears it.
  useEffect(() => test.reset(), [answer]);
  const fault = test.isIdle ? (answer?.fault ?? null) : faultOf(test.error);
  const fields: Record<string, string> = fault?.fields ?? {};
  const testOf = (channel: Channel, label: string) => (
    <ChannelTest
      label={label}
      isBusy={test.isPending}
      failure={failures[channel]}
      onTest={(form) => test.mutate({ ...readAlertForm(form), channel })}
    >
      {tested === channel && test.isSuccess && <Note look="good">{t.settings.alerts.tested}</Note>}
      {tested === channel && <FormFault fault={faultOf(test.error)} />}
    </ChannelTest>
  );
  return (
    <Section title={t.settings.alerts.title} lead={t.settings.alerts.lead}>
      <div className="max-w-xl space-y-5">
        <Field
          name="lowBalanceUsd"
          label={t.settings.alerts.threshold}
          inputMode="decimal"
          defaultValue={typedUsd(alerts.lowBalanceUsd)}
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
        <Sealed
          name="webhookSecret"
          label={t.settings.alerts.webhookSecret}
          hint={alerts.hasWebhookSecret ? t.settings.alerts.kept : t.settings.alerts.webhookSecretHint}
          error={fields.webhookSecret}
        />
        {testOf("webhook", t.settings.alerts.testWebhook)}
        <Sealed
          name="smtpUrl"
          label={t.settings.alerts.smtpUrl}
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
        {testOf("email", t.settings.alerts.testEmail)}
      </div>
    </Section>
  );
}

/** A secret that is kept and never shown again. */
function Sealed(field: { name: string; label: string; hint: string; error: string | undefined }) {
  return <Field {...field} type="password" autoComplete="off" />;
}

type ChannelTestProps = {
  label: string;
  isBusy: boolean;
  failure: Failures[Channel];
  onTest: (form: FormData) => void;
  children: ReactNode;
};

function ChannelTest({ label, isBusy, failure, onTest, children }: ChannelTestProps) {
  const t = useTexts();
  const format = useFormat();
  const say = useServerMessage();
  return (
    <div className="space-y-3">
      <ChangeButton
        look="quiet"
        disabled={isBusy}
        onClick={({ currentTarget: { form } }) => {
          if (form) onTest(new FormData(form));
        }}
      >
        {label}
      </ChangeButton>
      {children}
      {failure && (
        <p className={`text-sm ${failure.isOver ? "text-muted" : "text-danger"}`}>
          {(failure.isOver ? t.settings.alerts.failedOver : t.settings.alerts.failed)(
            format.minute(failure.failedAt),
            say(failure.fault),
          )}
        </p>
      )}
    </div>
  );
}
