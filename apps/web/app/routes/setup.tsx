/** The first-run wizard: administrator, OpenAI, system. One form, shown in three steps; without JavaScript all at once. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { useEffect, useState } from "react";
import { Button, Check, Field, FormFault, TextField } from "../components/form";
import { Card } from "../components/shell";
import { attempt, textOf } from "../guards";

export const meta: MetaFunction = () => [{ title: "初始化 · Codex Gateway" }];

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
  const upstream = {
    baseUrl: textOf(form, "baseUrl"),
    apiKey: textOf(form, "apiKey"),
    isPrivateAllowed: form.get("isPrivateAllowed") === "on",
  };
  if (form.get("intent") === "test") {
    const { fault } = await attempt(context, () => caller.setup.testConnection({ token, upstream }));
    return data({ fault, isTested: fault === null }, { status: fault ? 400 : 200 });
  }
  const { fault } = await attempt(context, () =>
    caller.setup.complete({
      token,
      owner: { email: textOf(form, "email"), password: textOf(form, "password") },
      upstream,
      announcement: textOf(form, "announcement"),
      defaultBalanceUsd: textOf(form, "defaultBalanceUsd"),
      isRegistrationOpen: form.get("isRegistrationOpen") === "on",
    }),
  );
  return fault ? data({ fault, isTested: false }, { status: 400 }) : redirect("/", { headers });
}

const steps = ["管理员", "OpenAI", "系统"];
/** Which step shows the field; a fault leads back to it. */
const stepOfField: Readonly<Record<string, number>> = {
  token: 0,
  "owner.email": 0,
  "owner.password": 0,
  "upstream.apiKey": 1,
  "upstream.baseUrl": 1,
  apiKey: 1,
  baseUrl: 1,
};

export default function Setup() {
  const { token } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const fields = answer?.fault?.fields ?? {};
  const [step, setStep] = useState<number | null>(null);
  useEffect(() => {
    const first = Object.keys(answer?.fault?.fields ?? {})[0];
    setStep((current) => (first === undefined ? (current ?? 0) : (stepOfField[first] ?? 2)));
  }, [answer]);
  const isShown = (each: number) => step === null || step === each;
  return (
    <Card title="初始化系统">
      {step !== null && <Progress step={step} />}
      <Form method="post" className="mt-8" noValidate={step !== null}>
        <FormFault fault={answer?.fault} />
        <fieldset hidden={!isShown(0)} className="space-y-5">
          <legend className="mb-4 font-medium">创建管理员账号</legend>
          {token === "" || fields.token ? (
            <Field
              name="token"
              label="设置令牌"
              defaultValue={token}
              required
              hint="启动时打印在终端中"
              error={fields.token}
            />
          ) : (
            <input type="hidden" name="token" value={token} />
          )}
          <Field
            name="email"
            label="邮箱"
            type="email"
            autoComplete="username"
            required
            error={fields["owner.email"]}
          />
          <Field
            name="password"
            label="密码"
            type="password"
            autoComplete="new-password"
            required
            hint="至少 8 位"
            error={fields["owner.password"]}
          />
        </fieldset>
        <fieldset hidden={!isShown(1)} className="space-y-5">
          <legend className="mb-4 font-medium">连接 OpenAI</legend>
          <Field
            name="apiKey"
            label="OpenAI API Key"
            type="password"
            autoComplete="off"
            required
            error={fields["upstream.apiKey"] ?? fields.apiKey}
          />
          <Field
            name="baseUrl"
            label="Base URL"
            defaultValue="https://api.openai.com/v1"
            required
            error={fields["upstream.baseUrl"] ?? fields.baseUrl}
          />
          <Check name="isPrivateAllowed" label="允许内网或 http 上游（Ollama、vLLM）" />
          <div className="flex items-center gap-3">
            <Button look="quiet" name="intent" value="test">
              测试连接
            </Button>
            <span role="status" className="text-sm text-emerald-700 dark:text-emerald-500">
              {answer?.isTested ? "连接成功" : ""}
            </span>
          </div>
        </fieldset>
        <fieldset hidden={!isShown(2)} className="space-y-5">
          <legend className="mb-4 font-medium">系统设置</legend>
          <TextField name="announcement" label="系统公告" />
          <Field
            name="defaultBalanceUsd"
            label="新用户默认余额（美元）"
            inputMode="decimal"
            defaultValue="0.00"
            error={fields.defaultBalanceUsd}
          />
          <Check name="isRegistrationOpen" label="开放注册" defaultChecked />
        </fieldset>
        <div className="mt-8 flex justify-between">
          {step !== null && step > 0 ? (
            <Button type="button" look="quiet" onClick={() => setStep(step - 1)}>
              上一步
            </Button>
          ) : (
            <span />
          )}
          {step !== null && step < 2 ? (
            <Button key="next" type="button" onClick={() => setStep(step + 1)}>
              下一步
            </Button>
          ) : (
            <Button key="done">完成设置</Button>
          )}
        </div>
      </Form>
    </Card>
  );
}

function Progress({ step }: { step: number }) {
  return (
    <ol className="mt-6 flex gap-2">
      {steps.map((name, at) => (
        <li
          key={name}
          aria-current={at === step ? "step" : undefined}
          className={`flex-1 border-t-2 pt-2 text-sm ${at <= step ? "border-emerald-700" : "border-neutral-300 text-neutral-500 dark:border-neutral-700"}`}
        >
          {at + 1}. {name}
        </li>
      ))}
    </ol>
  );
}
