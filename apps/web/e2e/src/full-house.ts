/** An installation that looks like one in use: people, keys, codes, prices, and a month of calls. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { withDatabase } from "./database-of.ts";
import { demoFolder } from "./demo-folder.ts";
import { fillMonthOfUse } from "./month-of-use.ts";

const texts = {
  "zh-CN": {
    announcement: "欢迎使用 Codex Gateway！\n本周六 02:00–03:00 维护，期间请求可能变慢。",
    keys: ["生产环境", "测试环境", "本地开发"],
    notes: ["十一月活动", "新用户体验"],
    reason: "对公转账充值",
    backup: "备用线路",
  },
  en: {
    announcement: "Welcome to Codex Gateway!\nMaintenance this Saturday, 02:00–03:00: requests may be slower.",
    keys: ["Production", "Staging", "Laptop"],
    notes: ["November campaign", "Trial for new users"],
    reason: "Bank transfer",
    backup: "Backup line",
  },
};

export type HouseLanguage = keyof typeof texts;

export async function startFullHouse(language: HouseLanguage = "zh-CN"): Promise<RunningDemo> {
  const demo = await startDemo({ port: "0", apiPort: "0", folder: demoFolder, balanceUsd: "150" });
  const { ownerSession, userSession } = demo;
  const t = texts[language];
  await callOnce(demo);
  const settings = await ownerSession.api.admin.settings.get.query();
  const { upstream: _, ...rest } = settings;
  await ownerSession.api.admin.settings.update.mutate({
    ...rest,
    announcement: t.announcement,
    baseUrl: "https://api.openai.com/v1",
    apiKey: "sk-fake-upstream-key",
  });
  await ownerSession.api.admin.upstreams.put.mutate({
    id: null,
    name: t.backup,
    baseUrl: "https://eu.api.openai.com/v1",
    apiKey: "sk-fake-upstream-key",
    weight: 1,
    isEnabled: true,
  });
  for (const [at, name] of t.keys.entries()) {
    const limits = at === 0 ? { dailyBudgetUsd: "20", requestsPerMinute: 60 } : {};
    await userSession.api.keys.create.mutate({ name, ...limits });
  }
  for (const [at, note] of t.notes.entries()) {
    const { codes } = await ownerSession.api.admin.codes.create.mutate({
      amountUsd: at === 0 ? "10" : "25",
      count: at === 0 ? "50" : "12",
      note,
      lastDay: at === 0 ? "2030-12-31" : null,
    });
    if (at === 0) await userSession.api.dashboard.redeem.mutate({ code: codes[0] ?? "" });
  }
  await ownerSession.api.admin.users.adjustBalance.mutate({
    userId: demo.userId,
    amountUsd: "50",
    isPaid: true,
    note: t.reason,
    formId: randomUUID(),
  });
  await raisePrice(demo);
  await withDatabase(demo, async (db) => {
    await addPeople(db);
    await db.pool.query(
      `UPDATE "user" SET created_at = now() - interval '140 days' WHERE role = 'owner';
       UPDATE "user" SET created_at = now() - interval '96 days' WHERE id = '${demo.userId}';
       UPDATE api_key SET created_at = now() - interval '96 days' + (interval '21 days' * (SELECT count(*) FROM api_key o
         WHERE o.user_id = api_key.user_id AND o.created_at < api_key.created_at)) WHERE user_id = '${demo.userId}'`,
    );
    await fillMonthOfUse(db, demo.userId);
  });
  const suspended = await ownerSession.api.admin.users.list.query({ search: "sofia", limit: 1, offset: 0 });
  const [sofia] = suspended.users;
  if (sofia) await ownerSession.api.admin.users.setStatus.mutate({ userId: sofia.id, status: "suspended" });
  return demo;
}

/** One that takes as long as a real one, so that the upstream is known to be healthy. */
async function callOnce(demo: RunningDemo): Promise<void> {
  demo.fake.script.delayMs = 640;
  const response = await fetch(`${demo.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${demo.apiKey}` },
    body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }] }),
  });
  if (!response.ok) throw new Error(`The call of the full house failed: ${response.status} ${await response.text()}`);
  demo.fake.script.delayMs = 0;
}

async function raisePrice({ ownerSession }: RunningDemo): Promise<void> {
  const [price] = await ownerSession.api.admin.prices.history.query({ model: "gpt-5-mini" });
  if (!price) throw new Error("gpt-5-mini has no price");
  const { model, bands, contextTokens, maxOutputTokens } = price;
  await ownerSession.api.admin.prices.change.mutate({
    model,
    bands,
    markupPercent: 10,
    contextTokens,
    maxOutputTokens,
  });
}

const given = [
  "wei",
  "maya",
  "lena",
  "omar",
  "yuki",
  "sofia",
  "daniel",
  "chen",
  "priya",
  "lucas",
  "mei",
  "anna",
  "tomas",
];
const family = [
  "zhang",
  "li",
  "novak",
  "silva",
  "tanaka",
  "patel",
  "meyer",
  "rossi",
  "wang",
  "kim",
  "dubois",
  "hansen",
];
const hosts = ["example.com", "example.org", "example.net"];

/** 154 of them over four months, most with money and a key of their own. */
async function addPeople({ pool }: Database): Promise<void> {
  for (let n = 0; n < 154; n++) {
    const [userId, accountId, topUpId, keyId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    const name = `${given[n % given.length]}.${family[((n % given.length) * 5 + Math.floor(n / given.length)) % family.length]}`;
    const daysAgo = ((n * n) % 131) * 0.9 + (n < 9 ? 0.01 * n : 0.2);
    const createdAt = `now() - interval '1 day' * ${daysAgo}`;
    await pool.query(
      `INSERT INTO "user" (id, email, password_hash, status, created_at) VALUES ($1, $2, '-', $3, ${createdAt})`,
      [userId, `${name}@${hosts[n % hosts.length]}`, n % 23 === 7 ? "suspended" : "active"],
    );
    await pool.query("INSERT INTO account (id, kind, user_id) VALUES ($1, 'wallet', $2)", [accountId, userId]);
    if (n % 7 === 3) continue;
    const amountNanoUsd = (1 + ((n * 7) % 5)) * 5_000_000_000;
    await pool.query(
      `INSERT INTO top_up (id, account_id, source, source_id, amount_nano_usd, created_at)
       VALUES ($1, $2, 'test', $3, $4, ${createdAt} + interval '3 minutes')`,
      [topUpId, accountId, userId, String(amountNanoUsd)],
    );
    await pool.query("SELECT credit($1, 'top_up', $2, $3)", [accountId, topUpId, String(amountNanoUsd)]);
    await pool.query(
      `INSERT INTO api_key (id, user_id, name, prefix, last_four, secret_hash, created_at)
       VALUES ($1, $2, 'main', 'sk-cg-' || substr($3, 1, 6), right($3, 4), sha256(convert_to($3, 'UTF8')), ${createdAt})`,
      [keyId, userId, keyId],
    );
  }
}
