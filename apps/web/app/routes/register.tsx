import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { Button, Field, FormFault } from "../components/form";
import { Card } from "../components/shell";
import { attempt, requireStranger, textOf } from "../guards";

export const meta: MetaFunction = () => [{ title: "注册 · Codex Gateway" }];

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  return data(await caller.auth.registration(), { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  const form = await request.formData();
  const credentials = { email: textOf(form, "email"), password: textOf(form, "password") };
  const { fault } = await attempt(context, () => caller.auth.register(credentials));
  return fault ? data({ fault }, { status: 400 }) : redirect("/", { headers });
}

export default function Register() {
  const { isOpen } = useLoaderData<typeof loader>();
  const fault = useActionData<typeof action>()?.fault;
  return (
    <Card title="注册">
      {isOpen ? (
        <Form method="post" className="mt-8 space-y-5">
          <FormFault fault={fault} />
          <Field name="email" label="邮箱" type="email" autoComplete="username" required error={fault?.fields.email} />
          <Field
            name="password"
            label="密码"
            type="password"
            autoComplete="new-password"
            required
            minLength={8}
            hint="至少 8 位"
            error={fault?.fields.password}
          />
          <Button>注册</Button>
        </Form>
      ) : (
        <p className="mt-6 text-neutral-600 dark:text-neutral-400">管理员已关闭注册。</p>
      )}
      <p className="mt-6 text-sm text-neutral-600 dark:text-neutral-400">
        已有账号？
        <Link to="/login" className="text-emerald-700 hover:underline dark:text-emerald-500">
          登录
        </Link>
      </p>
    </Card>
  );
}
