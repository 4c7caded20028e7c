import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Form, Link, useActionData } from "@remix-run/react";
import { Button, Field, FormFault } from "../components/form";
import { Card } from "../components/shell";
import { attempt, requireStranger, textOf } from "../guards";

export const meta: MetaFunction = () => [{ title: "登录 · Codex Gateway" }];

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { headers } = await requireStranger(request, context);
  return data(null, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await requireStranger(request, context);
  const form = await request.formData();
  const credentials = { email: textOf(form, "email"), password: textOf(form, "password") };
  const { fault } = await attempt(context, () => caller.auth.login(credentials));
  return fault ? data({ fault }, { status: 400 }) : redirect("/", { headers });
}

export default function Login() {
  const fault = useActionData<typeof action>()?.fault;
  return (
    <Card title="登录">
      <Form method="post" className="mt-8 space-y-5">
        <FormFault fault={fault} />
        <Field name="email" label="邮箱" type="email" autoComplete="username" required error={fault?.fields.email} />
        <Field
          name="password"
          label="密码"
          type="password"
          autoComplete="current-password"
          required
          error={fault?.fields.password}
        />
        <Button>登录</Button>
      </Form>
      <p className="mt-6 text-sm text-neutral-600 dark:text-neutral-400">
        还没有账号？
        <Link to="/register" className="text-emerald-700 hover:underline dark:text-emerald-500">
          注册
        </Link>
      </p>
    </Card>
  );
}
