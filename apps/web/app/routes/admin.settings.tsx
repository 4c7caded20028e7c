import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { Button, Check, Field, FormFault, TextField } from "../components/form";
import { Shell } from "../components/shell";
import { attempt, requireAdmin, textOf } from "../guards";

export const meta: MetaFunction = () => [{ title: "系统设置 · Codex Gateway" }];

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, user, headers } = await requireAdmin(request, context);
  return data({ user, settings: await caller.admin.settings.get() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const { fault } = await attempt(context, () =>
    caller.admin.settings.update({
      announcement: textOf(form, "announcement"),
      defaultBalanceUsd: textOf(form, "defaultBalanceUsd"),
      minimumTopUpUsd: textOf(form, "minimumTopUpUsd"),
      defaultRequestsPerMinute: textOf(form, "defaultRequestsPerMinute") || null,
      defaultTokensPerMinute: textOf(form, "defaultTokensPerMinute") || null,
      defaultConcurrentRequests: textOf(form, "defaultConcurrentRequests") || null,
      isRegistrationOpen: form.get("isRegistrationOpen") === "on",
      defaultMaxOutputTokens: textOf(form, "defaultMaxOutputTokens"),
      allowsPrivateUpstreams: form.get("allowsPrivateUpstreams") === "on",
      baseUrl: textOf(form, "baseUrl"),
      apiKey: textOf(form, "apiKey"),
    }),
  );
  return data({ fault, isSaved: fault === null }, { status: fault ? 400 : 200 });
}

export default function Settings() {
  const { user, settings } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const fields = answer?.fault?.fields ?? {};
  return (
    <Shell user={user} title="系统设置">
      <Form method="post" className="mt-6 max-w-xl space-y-5">
        <FormFault fault={answer?.fault} />
        <Field
          name="apiKey"
          label="OpenAI API Key"
          type="password"
          autoComplete="off"
          placeholder={settings.upstream ? `•••• ${settings.upstream.keyLastFour}` : ""}
          hint="留空则保持不变"
          error={fields.apiKey}
        />
        <Field
          name="baseUrl"
          label="Base URL"
          defaultValue={settings.upstream?.baseUrl ?? "https://api.openai.com/v1"}
          required
          error={fields.baseUrl}
        />
        <Field
          name="minimumTopUpUsd"
          label="最低充值 (USD)"
          defaultValue={settings.minimumTopUpUsd}
          error={fields.minimumTopUpUsd}
        />
        <Check
          name="allowsPrivateUpstreams"
          label="允许内网或 http 上游（Ollama、vLLM）"
          defaultChecked={settings.allowsPrivateUpstreams}
        />
        <TextField
          name="announcement"
          label="系统公告"
          defaultValue={settings.announcement}
          error={fields.announcement}
        />
        <Field
          name="defaultBalanceUsd"
          label="新用户默认余额（美元）"
          inputMode="decimal"
          defaultValue={settings.defaultBalanceUsd}
          error={fields.defaultBalanceUsd}
        />
        <Field
          name="defaultMaxOutputTokens"
          label="默认最大输出 token"
          inputMode="numeric"
          defaultValue={settings.defaultMaxOutputTokens}
          hint="客户端未设置上限且模型上限未知时发送给上游"
          error={fields.defaultMaxOutputTokens}
        />
        <Check name="isRegistrationOpen" label="开放注册" defaultChecked={settings.isRegistrationOpen} />
        <div className="flex items-center gap-3">
          <Button>保存</Button>
          <span role="status" className="text-sm text-emerald-700 dark:text-emerald-500">
            {answer?.isSaved ? "已保存" : ""}
          </span>
        </div>
      </Form>
    </Shell>
  );
}
