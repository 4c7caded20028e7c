import { randomUUID } from "node:crypto";
import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { Button, Check, Field, FormFault } from "../components/form";
import { Shell } from "../components/shell";
import { attempt, requireAdmin, textOf } from "../guards";

export const meta: MetaFunction = () => [{ title: "用户管理 · Codex Gateway" }];

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, user, headers } = await requireAdmin(request, context);
  const search = (new URL(request.url).searchParams.get("search") ?? "").slice(0, 200);
  const list = await caller.admin.users.list({ search, limit: 100 });
  return data({ user, search, formId: randomUUID(), ...list }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const userId = textOf(form, "userId");
  const { fault, result } = await attempt(context, async (): Promise<{ balanceUsd?: string }> => {
    const status = textOf(form, "status");
    if (status === "active" || status === "suspended") {
      await caller.admin.users.setStatus({ userId, status });
      return {};
    }
    return caller.admin.users.adjustBalance({
      userId,
      amountUsd: textOf(form, "amountUsd"),
      isPaid: form.get("isPaid") === "on",
      note: textOf(form, "note"),
      formId: textOf(form, "formId"),
    });
  });
  const balanceUsd = result?.balanceUsd ?? null;
  return data({ fault, userId, balanceUsd }, { status: fault ? 400 : 200 });
}

export default function Users() {
  const { user: admin, users, total, search, formId } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return (
    <Shell user={admin} title="用户管理">
      <Form method="get" role="search" className="mt-6 flex items-end gap-3">
        <div className="w-72">
          <Field name="search" label="搜索邮箱" defaultValue={search} />
        </div>
        <div className="pb-1.5">
          <Button look="quiet">搜索</Button>
        </div>
        <span className="pb-3 text-sm text-neutral-500">共 {total} 位</span>
      </Form>
      <ul className="mt-4 divide-y divide-neutral-200 dark:divide-neutral-800">
        {users.map((user) => (
          <li key={user.id} className="py-4">
            <div className="flex flex-wrap items-center gap-4">
              <span className="font-medium">{user.email}</span>
              <span className="text-sm text-neutral-500">{roles[user.role]}</span>
              {user.status === "suspended" && <span className="text-sm text-red-700 dark:text-red-400">已停用</span>}
              <span className="ml-auto font-mono text-sm tabular-nums">${user.balanceUsd}</span>
            </div>
            <details className="mt-2" open={answer?.userId === user.id}>
              <summary className="cursor-pointer text-sm text-emerald-700 dark:text-emerald-500">管理</summary>
              <Form method="post" className="mt-3 grid max-w-xl gap-4 sm:grid-cols-2" key={user.balanceUsd}>
                <input type="hidden" name="userId" value={user.id} />
                <input type="hidden" name="formId" value={formId} />
                <Field
                  name="amountUsd"
                  label="调整余额（美元，可为负）"
                  inputMode="decimal"
                  required
                  error={answer?.userId === user.id ? answer.fault?.fields.amountUsd : undefined}
                />
                <Field name="note" label="备注" maxLength={500} />
                <Check name="isPaid" label="用户已付款" />
                <div className="text-right">
                  <Button>调整余额</Button>
                </div>
              </Form>
              {answer?.userId === user.id && <FormFault fault={answer.fault} />}
              {answer?.userId === user.id && answer.balanceUsd && (
                <p role="status" className="mt-2 text-sm text-emerald-700 dark:text-emerald-500">
                  调整后余额 ${answer.balanceUsd}
                </p>
              )}
              {user.role !== "owner" && (
                <Form method="post" className="mt-3">
                  <input type="hidden" name="userId" value={user.id} />
                  <Button look="danger" name="status" value={user.status === "active" ? "suspended" : "active"}>
                    {user.status === "active" ? "停用" : "启用"}
                  </Button>
                </Form>
              )}
            </details>
          </li>
        ))}
      </ul>
    </Shell>
  );
}

const roles = { owner: "所有者", admin: "管理员", user: "用户" };
