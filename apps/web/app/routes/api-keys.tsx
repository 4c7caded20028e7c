import { data, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { Button, Field, FormFault } from "../components/form";
import { Shell } from "../components/shell";
import { attempt, requireUser, textOf } from "../guards";

export const meta: MetaFunction = () => [{ title: "API 密钥 · Codex Gateway" }];

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, user, headers } = await requireUser(request, context);
  return data({ user, keys: await caller.keys.list() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireUser(request, context);
  const form = await request.formData();
  if (form.get("intent") === "delete") {
    const { fault } = await attempt(context, () => caller.keys.delete({ keyId: textOf(form, "keyId") }));
    return data({ fault, secret: null }, { status: fault ? 400 : 200 });
  }
  const { fault, result } = await attempt(context, () => caller.keys.create({ name: textOf(form, "name") }));
  return data({ fault, secret: result?.secret ?? null }, { status: fault ? 400 : 200 });
}

export default function ApiKeys() {
  const { user, keys } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return (
    <Shell user={user} title="API 密钥">
      {answer?.secret && <NewSecret secret={answer.secret} />}
      <Form method="post" className="mt-6 flex items-start gap-3" key={answer?.secret ?? ""}>
        <div className="w-72">
          <Field name="name" label="名称" required maxLength={100} error={answer?.fault?.fields.name} />
        </div>
        <div className="pt-6">
          <Button>创建密钥</Button>
        </div>
      </Form>
      <FormFault fault={answer?.fault} />
      {keys.length === 0 ? (
        <p className="mt-8 text-neutral-500">
          还没有密钥。创建一个，然后把任意 OpenAI 客户端的 base URL 指向本站的 /v1。
        </p>
      ) : (
        <table className="mt-6 w-full text-left text-sm">
          <thead className="text-neutral-500">
            <tr>
              <th className="py-2 font-medium">名称</th>
              <th className="font-medium">密钥</th>
              <th className="font-medium">创建时间</th>
              <th className="font-medium">最近使用</th>
              <th>
                <span className="sr-only">操作</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.map((key) => (
              <tr key={key.id} className="border-t border-neutral-200 dark:border-neutral-800">
                <td className="py-3">{key.name}</td>
                <td className="font-mono">{key.masked}</td>
                <td className="tabular-nums">{timeOf(key.createdAt)}</td>
                <td className="tabular-nums">{key.lastUsedAt ? timeOf(key.lastUsedAt) : "—"}</td>
                <td className="text-right">
                  <Form
                    method="post"
                    onSubmit={(event) => confirm(`删除密钥“${key.name}”？`) || event.preventDefault()}
                  >
                    <input type="hidden" name="keyId" value={key.id} />
                    <Button look="danger" name="intent" value="delete">
                      删除
                    </Button>
                  </Form>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Shell>
  );
}

function NewSecret({ secret }: { secret: string }) {
  return (
    <section className="mt-6 rounded-md border border-emerald-700/40 bg-emerald-50 p-4 dark:bg-emerald-950">
      <h2 className="font-medium">请立即保存密钥，它只显示这一次。</h2>
      <code data-testid="new-secret" className="mt-2 block font-mono text-sm break-all select-all">
        {secret}
      </code>
    </section>
  );
}

const timeOf = (date: Date | string) => new Date(date).toISOString().slice(0, 16).replace("T", " ");
