import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { AlertSettings, readAlertForm } from "../components/alert-settings";
import { Submit } from "../components/ui/button";
import { Check, Field, FormFault, TextField } from "../components/ui/field";
import { PageHead, Section } from "../components/ui/page";
import { attempt, requireAdmin, textOf, textOrNull, type UserApi } from "../guards";
import { typedUsd } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import type { Texts } from "../i18n/zh";

export const meta = titled((t) => t.settings.title);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const [settings, alerts, failures] = await Promise.all([
    caller.admin.settings.get(),
    caller.admin.alerts.get(),
    caller.admin.alerts.failures(),
  ]);
  return data({ settings, alerts, failures }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const { fault } = await attempt(context, () => save(caller, form));
  return data({ fault }, { status: fault ? 400 : 200 });
}

/** One button, one act: all of it is saved, or nothing. */
const save = ({ admin }: UserApi["caller"], form: FormData) =>
  admin.settings.update({
    announcement: textOf(form, "announcement"),
    defaultBalanceUsd: textOf(form, "defaultBalanceUsd"),
    minimumTopUpUsd: textOf(form, "minimumTopUpUsd"),
    defaultRequestsPerMinute: textOrNull(form, "defaultRequestsPerMinute"),
    defaultTokensPerMinute: textOrNull(form, "defaultTokensPerMinute"),
    defaultConcurrentRequests: textOrNull(form, "defaultConcurrentRequests"),
    isRegistrationOpen: form.get("isRegistrationOpen") === "on",
    defaultMaxOutputTokens: textOf(form, "defaultMaxOutputTokens"),
    minReasoningOutputTokens: textOf(form, "minReasoningOutputTokens"),
    maxCallDebtUsd: textOf(form, "maxCallDebtUsd"),
    maxUserDebtUsd: textOf(form, "maxUserDebtUsd"),
    chargesBrokenAnswers: form.get("chargesBrokenAnswers") === "on",
    remoteInputTokens: textOf(form, "remoteInputTokens"),
    drainsOnDisconnect: form.get("drainsOnDisconnect") === "on",
    allowsPrivateUpstreams: form.get("allowsPrivateUpstreams") === "on",
    connectTimeoutSeconds: textOf(form, "connectTimeoutSeconds"),
    streamTimeoutSeconds: textOf(form, "streamTimeoutSeconds"),
    answerTimeoutSeconds: textOf(form, "answerTimeoutSeconds"),
    idleTimeoutSeconds: textOf(form, "idleTimeoutSeconds"),
    totalTimeoutSeconds: textOf(form, "totalTimeoutSeconds"),
    maxBodyMebibytes: textOf(form, "maxBodyMebibytes"),
    allowedOrigins: textOf(form, "allowedOrigins"),
    baseUrl: textOf(form, "baseUrl"),
    apiKey: textOf(form, "apiKey"),
    ...readAlertForm(form),
  });

const amounts = [
  ["defaultBalanceUsd", (t: Texts) => t.settings.balance, undefined],
  ["minimumTopUpUsd", (t: Texts) => t.settings.minimum, (t: Texts) => t.settings.minimumHint],
] as const;

const debts = [
  ["maxCallDebtUsd", (t: Texts) => t.settings.callDebt, (t: Texts) => t.settings.callDebtHint],
  ["maxUserDebtUsd", (t: Texts) => t.settings.userDebt, (t: Texts) => t.settings.userDebtHint],
] as const;

const limits = [
  ["defaultRequestsPerMinute", (t: Texts) => t.settings.rpm],
  ["defaultTokensPerMinute", (t: Texts) => t.settings.tpm],
  ["defaultConcurrentRequests", (t: Texts) => t.settings.concurrent],
] as const;

const timeouts = [
  ["connectTimeoutSeconds", (t: Texts) => t.settings.connectTimeout],
  ["streamTimeoutSeconds", (t: Texts) => t.settings.streamTimeout],
  ["answerTimeoutSeconds", (t: Texts) => t.settings.answerTimeout],
  ["idleTimeoutSeconds", (t: Texts) => t.settings.idleTimeout],
  ["totalTimeoutSeconds", (t: Texts) => t.settings.totalTimeout],
] as const;

export default function Settings() {
  const t = useTexts();
  const { settings, alerts, failures } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>() ?? null;
  const fields: Record<string, string> = answer?.fault?.fields ?? {};
  return (
    <>
      <Form method="post">
        <PageHead title={t.settings.title} isSticky>
          <span role="status" className="text-sm text-accent">
            {answer && !answer.fault ? t.settings.saved : ""}
          </span>
          <Submit>{t.settings.submit}</Submit>
        </PageHead>
        <FormFault fault={answer?.fault} />
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
            <Check
              name="chargesBrokenAnswers"
              label={t.settings.chargesBroken}
              defaultChecked={settings.chargesBrokenAnswers}
            />
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
              {amounts.map(([name, labelOf, hintOf]) => (
                <Field
                  key={name}
                  name={name}
                  label={labelOf(t)}
                  inputMode="decimal"
                  defaultValue={typedUsd(settings[name])}
                  hint={hintOf?.(t)}
                  required
                  error={fields[name]}
                />
              ))}
            </div>
            <Check name="isRegistrationOpen" label={t.settings.open} defaultChecked={settings.isRegistrationOpen} />
          </div>
        </Section>
        <Section title={t.settings.limits} lead={t.settings.limitsLead}>
          <div className="grid max-w-xl gap-5 sm:grid-cols-2">
            {limits.map(([name, labelOf]) => (
              <Field
                key={name}
                name={name}
                label={labelOf(t)}
                inputMode="numeric"
                placeholder={t.common.unlimited}
                defaultValue={settings[name] ?? ""}
                error={fields[name]}
              />
            ))}
            <Field
              name="defaultMaxOutputTokens"
              label={t.settings.maxOutput}
              inputMode="numeric"
              defaultValue={settings.defaultMaxOutputTokens}
              hint={t.settings.maxOutputHint}
              required
              error={fields.defaultMaxOutputTokens}
            />
            <Field
              name="minReasoningOutputTokens"
              label={t.settings.minReasoning}
              inputMode="numeric"
              defaultValue={settings.minReasoningOutputTokens}
              hint={t.settings.minReasoningHint}
              required
              error={fields.minReasoningOutputTokens}
            />
            {debts.map(([name, labelOf, hintOf]) => (
              <Field
                key={name}
                name={name}
                label={labelOf(t)}
                inputMode="decimal"
                defaultValue={typedUsd(settings[name])}
                hint={hintOf(t)}
                required
                error={fields[name]}
              />
            ))}
            <Field
              name="remoteInputTokens"
              label={t.settings.remoteInput}
              inputMode="numeric"
              defaultValue={settings.remoteInputTokens}
              hint={t.settings.remoteInputHint}
              required
              error={fields.remoteInputTokens}
            />
          </div>
        </Section>
        <Section title={t.settings.requests}>
          <div className="max-w-xl space-y-5">
            <Field
              name="maxBodyMebibytes"
              label={t.settings.maxBody}
              inputMode="numeric"
              defaultValue={settings.maxBodyMebibytes}
              hint={t.settings.maxBodyHint}
              required
              error={fields.maxBodyMebibytes}
            />
            <TextField
              name="allowedOrigins"
              label={t.settings.origins}
              hint={t.settings.originsHint}
              rows={3}
              defaultValue={settings.allowedOrigins}
              error={fields.allowedOrigins}
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
        <AlertSettings alerts={alerts} failures={failures} answer={answer} />
      </Form>
    </>
  );
}
