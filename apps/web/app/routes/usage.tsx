import { data, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Link, useLoaderData } from "@remix-run/react";
import { Shell } from "../components/shell";
import { requireUser } from "../guards";

export const meta: MetaFunction = () => [{ title: "用量 · Codex Gateway" }];

const uuid = /^[0-9a-f-]{36}$/;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, user, headers } = await requireUser(request, context);
  const after = new URL(request.url).searchParams.get("after");
  const [credits, page] = await Promise.all([
    caller.usage.credits(),
    caller.usage.list({ after: after !== null && uuid.test(after) ? after : null }),
  ]);
  return data({ user, credits, ...page }, { headers });
}

export default function Usage() {
  const { user, credits, charges, hasMore } = useLoaderData<typeof loader>();
  const last = charges.at(-1);
  return (
    <Shell user={user} title="用量">
      <dl className="mt-6 flex flex-wrap gap-10">
        <Figure name="余额" value={`$${credits.balance_usd}`} />
        <Figure name="今日消费" value={`$${credits.spent_today_usd}`} />
        <Figure name="今日请求" value={String(credits.requests_today)} />
      </dl>
      {charges.length === 0 ? (
        <p className="mt-8 text-neutral-500">还没有请求。创建一个 API 密钥并发出第一个请求。</p>
      ) : (
        <div className="mt-8 overflow-x-auto">
          <table className="w-full text-left text-sm tabular-nums">
            <thead className="text-neutral-500">
              <tr>
                <th className="py-2 font-medium">时间 (UTC)</th>
                <th className="font-medium">模型</th>
                <th className="text-right font-medium">输入</th>
                <th className="text-right font-medium">缓存</th>
                <th className="text-right font-medium">输出</th>
                <th className="text-right font-medium">费用 (USD)</th>
                <th className="text-right font-medium">延迟</th>
              </tr>
            </thead>
            <tbody>
              {charges.map((charge) => (
                <tr key={charge.request_id} className="border-t border-neutral-200 dark:border-neutral-800">
                  <td className="py-2.5">{charge.created_at.slice(0, 19).replace("T", " ")}</td>
                  <td>{charge.model}</td>
                  <td className="text-right">{charge.usage.input ?? 0}</td>
                  <td className="text-right">{charge.usage.cached_input ?? 0}</td>
                  <td className="text-right">{charge.usage.output ?? 0}</td>
                  <td className="text-right">{charge.cost_usd}</td>
                  <td className="text-right">{charge.latency_ms} ms</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hasMore && last && (
        <Link to={`?after=${last.request_id}`} className="mt-6 inline-block text-sm text-emerald-700 hover:underline">
          更早的记录
        </Link>
      )}
    </Shell>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="text-sm text-neutral-500">{name}</dt>
      <dd className="mt-1 text-xl font-semibold tabular-nums">{value}</dd>
    </div>
  );
}
