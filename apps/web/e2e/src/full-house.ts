/** An installation that looks like one in use: users, keys, calls, codes, and a month of figures. */
import { randomUUID } from "node:crypto";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { withDatabase } from "./database-of.ts";
import { demoFolder } from "./demo-folder.ts";

const models = ["gpt-4o-mini", "gpt-5-mini", "gpt-5", "gpt-4.1", "o4-mini"];

export async function startFullHouse(): Promise<RunningDemo> {
  const demo = await startDemo({ port: "0", apiPort: "0", folder: demoFolder, balanceUsd: "126.5" });
  const { ownerSession, userSession } = demo;
  const settings = await ownerSession.api.admin.settings.get.query();
  const { upstream, ...rest } = settings;
  await ownerSession.api.admin.settings.update.mutate({
    ...rest,
    announcement: "欢迎使用 Codex Gateway！\n本周六 02:00–03:00 维护，期间请求可能变慢。",
    baseUrl: upstream?.baseUrl ?? "",
    apiKey: "",
  });
  for (const [name, dailyBudgetUsd] of [
    ["生产环境", "20"],
    ["测试环境", null],
  ] as const) {
    await userSession.api.keys.create.mutate({ name, dailyBudgetUsd, requestsPerMinute: dailyBudgetUsd ? 60 : null });
  }
  await ownerSession.api.admin.codes.create.mutate({
    amountUsd: "10",
    count: "50",
    note: "十一月活动",
    lastDay: "2030-12-31",
  });
  for (let n = 0; n < 30; n++) {
    await fetch(`${demo.api}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${demo.apiKey}` },
      body: JSON.stringify({ model: models[n % models.length], messages: [{ role: "user", content: `Hello ${n}` }] }),
    });
  }
  await fillHistory(demo);
  return demo;
}

/** Users and figures of the past, written as the gateway would have. */
const fillHistory = (demo: RunningDemo): Promise<void> =>
  withDatabase(demo, async ({ pool }) => {
    for (let n = 0; n < 46; n++) {
      const id = randomUUID();
      const daysAgo = Math.floor(n * 1.7);
      await pool.query(
        `INSERT INTO "user" (id, email, password_hash, status, created_at)
         VALUES ($1, $2, '-', $3, now() - $4::int * interval '1 day')`,
        [id, `user${n + 1}@example.com`, n % 9 === 4 ? "suspended" : "active", daysAgo],
      );
      const [accountId, topUpId] = [randomUUID(), randomUUID()];
      await pool.query("INSERT INTO account (id, kind, user_id) VALUES ($1, 'wallet', $2)", [accountId, id]);
      if (n % 5 === 3) continue;
      await pool.query(
        `WITH top AS (
           INSERT INTO top_up (id, account_id, source, source_id, amount_nano_usd, created_at)
           VALUES ($1, $2, 'test', $3, $4, now() - $5::int * interval '1 day') RETURNING id)
         SELECT credit($2, 'top_up', id, $4) FROM top`,
        [topUpId, accountId, id, String(((n * 37) % 90) * 500_000_000 + 1_250_000_000), daysAgo],
      );
    }
    for (let day = 0; day < 30; day++) {
      for (const [at, model] of models.entries()) {
        if ((day + at) % 5 === 0) continue;
        const requests = 20 + ((day * 37 + at * 61) % 140);
        await pool.query(
          `INSERT INTO usage_rollup (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
           SELECT a.id, k.id, $2, date_trunc('hour', now()) - $3::int * interval '1 day', $4::int, $4::int * 900, $4::int * 350, $5::bigint
           FROM account a JOIN api_key k ON k.user_id = a.user_id WHERE a.user_id = $1 ORDER BY k.created_at LIMIT 1
           ON CONFLICT DO NOTHING`,
          [demo.userId, model, day, requests, String(requests * (at + 1) * 1_300_000)],
        );
      }
    }
  });
