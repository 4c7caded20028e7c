/** The first-run wizard: administrator, OpenAI, system. One form, shown in three steps; without JavaScript all at once. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { CircleCheck } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { ErrorPage } from "../components/error-page";
import { Card } from "../components/shell";
import { Button, Submit } from "../components/ui/button";
import { Check, Field, FormFault, TextField } from "../components/ui/field";
import { attempt, byIntent, headersOfAnswer, initOf, textOf, type Fault } from "../guards";
import { textsOf, titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { readPreferences } from "../preferences";

export const meta = titled((t) => t.setup.title);
export const clientAction = keepForm;
export const headers = headersOfAnswer;

const defaultBaseUrl = "https://api.openai.com/v1";

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller } = await context.api(request);
  const { needsSetup } = await caller.setup.status();
  if (!needsSetup) throw new Response("Not found", { status: 404 });
  return { token: new URL(request.url).searchParams.get("token") ?? "" };
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await context.api(request);
  const form = await request.formData();
  const token = textOf(form, "token");
  // Where there is no JavaScript the page is made anew, with what was typed but for the secrets.
  const typed = {
    email: textOf(form, "email"),
    baseUrl: textOf(form, "baseUrl"),
    isPrivateAllowed: form.get("isPrivateAllowed") === "on",
    announcement: textOf(form, "announcement"),
    defaultBalanceUsd: textOf(form, "defaultBalanceUsd"),
    isRegistrationOpen: form.get("isRegistrationOpen") === "on",
  };
  const upstream = {
    baseUrl: textOf(form, "baseUrl").trim() || defaultBaseUrl,
    apiKey: textOf(form, "apiKey"),
    isPrivateAllowed: form.get("isPrivateAllowed") === "on",
  };
  const { intent, run } = byIntent(form, {
    test: () => caller.setup.testConnection({ token, upstream }),
    complete: () =>
      caller.setup.complete({
        token,
        owner: { email: textOf(form, "email"), password: textOf(form, "password") },
        upstream,
        announcement: textOf(form, "announcement"),
        defaultBalanceUsd: textOf(form, "defaultBalanceUsd") || "0",
        isRegistrationOpen: form.get("isRegistrationOpen") === "on",
      }),
  });
  const isTest = intent === "test";
  if (!isTest && textOf(form, "password") !== textOf(form, "confirm")) {
    const t = textsOf(readPreferences(request).language);
    const fault: Fault = { message: t.setup.mismatch, fields: { confirm: t.setup.mismatch } };
    return data({ fault, isTested: false, typed }, { status: 400 });
  }
  const { fault } = await attempt(context, run);
  if (fault || isTest) return data({ fault, isTested: isTest && !fault, typed }, initOf(fault));
  return redirect("/admin", { headers });
}

/** The link is used once; who opens it again is told where to go. */
export function ErrorBoundary() {
  const t = useTexts();
  const link = { to: "/login", label: t.login.title };
  return <ErrorPage notFound={{ title: t.setup.doneTitle, lead: t.setup.done, link }} />;
}

/** Which step shows the field; a fault leads back to it. */
const stepOfField: Readonly<Record<string, number>> = {
  token: 0,
  "owner.email": 0,
  "owner.password": 0,
  confirm: 0,
  "upstream.apiKey": 1,
  "upstream.baseUrl": 1,
  apiKey: 1,
  baseUrl: 1,
};

export default function Setup() {
  const t = useTexts();
  const { token } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const fields: Record<string, string> = answer?.fault?.fields ?? {};
  const typed = answer?.typed;
  const [step, setStep] = useState<number | null>(null);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const first = Object.keys(answer?.fault?.fields ?? {})[0];
    setStep((current) => (first === undefined ? (current ?? 0) : (stepOfField[first] ?? 2)));
  }, [answer]);
  const isShown = (each: number) => step === null || step === each;

  /** Only what this step shows must be right before the next one. */
  const goOn = () => {
    const shown = form.current?.querySelectorAll<HTMLInputElement>(`fieldset[data-step="${step}"] input`) ?? [];
    const confirm = form.current?.querySelector<HTMLInputElement>("#confirm");
    const password = form.current?.querySelector<HTMLInputElement>("#password");
    confirm?.setCustomValidity(confirm.value === password?.value ? "" : t.setup.mismatch);
    if ([...shown].every((input) => input.reportValidity())) setStep((step ?? 0) + 1);
  };

  return (
    <Card title={t.setup.title} {...(step === null ? {} : { lead: t.setup.step(step + 1) })} isWide>
      {step !== null && <Progress step={step} />}
      <Form
        ref={form}
        method="post"
        noValidate={step !== null}
        className="mt-8 rounded-2xl border border-line bg-surface p-6"
        onKeyDown={(event) => {
          const isInput = event.target instanceof HTMLInputElement;
          if (event.key !== "Enter" || !isInput || step === null || step === 2) return;
          event.preventDefault();
          goOn();
        }}
      >
        <FormFault fault={answer?.fault} />
        <fieldset hidden={!isShown(0)} data-step="0" className="space-y-5">
          <legend className="mb-5 text-lg font-semibold tracking-tight">{t.setup.admin}</legend>
          {token === "" || fields.token ? (
            <Field
              name="token"
              label={t.setup.token}
              defaultValue={token}
              required
              hint={t.setup.tokenHint}
              error={fields.token}
            />
          ) : (
            <input type="hidden" name="token" value={token} />
          )}
          <Field
            name="email"
            label={t.setup.email}
            type="email"
            placeholder="admin@example.com"
            defaultValue={typed?.email}
            autoComplete="username"
            required
            error={fields["owner.email"]}
          />
          <Field
            name="password"
            label={t.common.password}
            type="password"
            autoComplete="new-password"
            minLength={8}
            required
            hint={t.register.passwordHint}
            error={fields["owner.password"]}
          />
          <Field
            name="confirm"
            label={t.setup.confirm}
            type="password"
            autoComplete="new-password"
            required
            error={fields.confirm}
          />
        </fieldset>
        <fieldset hidden={!isShown(1)} data-step="1" className={`space-y-5 ${step === null ? "mt-10" : ""}`}>
          <legend className="mb-5 text-lg font-semibold tracking-tight">{t.setup.openai}</legend>
          <Field
            name="apiKey"
            label={t.setup.key}
            type="password"
            placeholder="sk-proj-..."
            autoComplete="off"
            required
            hint={t.setup.keyHint}
            error={fields["upstream.apiKey"] ?? fields.apiKey}
          />
          <Field
            name="baseUrl"
            label={t.setup.baseUrl}
            placeholder={defaultBaseUrl}
            defaultValue={typed?.baseUrl}
            hint={t.setup.baseUrlHint}
            error={fields["upstream.baseUrl"] ?? fields.baseUrl}
          />
          <Check name="isPrivateAllowed" label={t.setup.private} defaultChecked={typed?.isPrivateAllowed ?? false} />
          <div className="flex items-center gap-3">
            <Submit look="quiet" intent="test">
              {t.setup.test}
            </Submit>
            <span role="status" className="flex items-center gap-1.5 text-sm text-accent">
              {answer?.isTested && (
                <>
                  <CircleCheck aria-hidden className="size-4" />
                  {t.setup.tested}
                </>
              )}
            </span>
          </div>
        </fieldset>
        <fieldset hidden={!isShown(2)} data-step="2" className={`space-y-5 ${step === null ? "mt-10" : ""}`}>
          <legend className="mb-5 text-lg font-semibold tracking-tight">{t.setup.system}</legend>
          <TextField name="announcement" label={t.setup.announcement} defaultValue={typed?.announcement} />
          <Field
            name="defaultBalanceUsd"
            label={t.setup.balance}
            inputMode="decimal"
            defaultValue={typed?.defaultBalanceUsd ?? "0"}
            hint={t.setup.balanceHint}
            error={fields.defaultBalanceUsd}
          />
          <Check name="isRegistrationOpen" label={t.setup.open} defaultChecked={typed?.isRegistrationOpen ?? true} />
        </fieldset>
        <div className="mt-8 flex justify-between">
          {step !== null && step > 0 ? (
            <Button look="quiet" onClick={() => setStep(step - 1)}>
              {t.setup.back}
            </Button>
          ) : (
            <span />
          )}
          {step !== null && step < 2 ? (
            <Button key="next" onClick={goOn}>
              {t.setup.next}
            </Button>
          ) : (
            <Submit key="done" intent="complete">
              {t.setup.finish}
            </Submit>
          )}
        </div>
      </Form>
    </Card>
  );
}

function Progress({ step }: { step: number }) {
  const t = useTexts();
  return (
    <div className="mt-6">
      <div
        role="progressbar"
        aria-label={t.setup.progress}
        aria-valuemin={1}
        aria-valuemax={3}
        aria-valuenow={step + 1}
        className="h-1.5 overflow-hidden rounded-full bg-line"
      >
        <div
          className="h-full rounded-full bg-accent transition-[width] duration-300"
          style={{ width: `${((step + 1) / 3) * 100}%` }}
        />
      </div>
      <ol className="mt-2 grid grid-cols-3 text-sm">
        {t.setup.steps.map((name, at) => (
          <li
            key={name}
            aria-current={at === step ? "step" : undefined}
            className={`${at === 1 ? "text-center" : at === 2 ? "text-right" : ""} ${at === step ? "font-medium" : "text-muted"}`}
          >
            {name}
          </li>
        ))}
      </ol>
    </div>
  );
}
