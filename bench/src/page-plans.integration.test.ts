/** What pages ask of a database that is full: every query finds its rows by an index, and the books of the house are sound. */
import type { Database } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import {
  findCharge,
  listAudit,
  listAuditActions,
  listRedeemBatches,
  listUsage,
  listUsedModels,
  listUsers,
  openPrice,
  readDailyUsage,
  readSystemOverview,
  readUsageTotals,
  readUser,
  readUserOverview,
  seedPrices,
  walletOf,
} from "@codex-gateway/domain";
import { verifyLedger } from "@codex-gateway/ledger";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fillBigHouse } from "./big-house.ts";

const size = { users: 2_000, charges: 40_000 };
const timeZone = "Asia/Shanghai";

let db: TestDatabase;
let userId: string;
beforeAll(async () => {
  db = await createTestDatabase();
  await seedPrices(db);
  userId = (await fillBigHouse(db, size)).heaviestUserId;
  // Sums up the hours of the past once, as the first look at the overview does.
  await readDailyUsage(db, { userId: null, days: 30, timeZone });
}, 120_000);
afterAll(() => db.drop());

const bigTableRows = 500;

type Plan = { "Node Type": string; "Relation Name"?: string; Plans?: Plan[] };

/** The tables that the plan reads from end to end. */
function scansOf(plan: Plan): string[] {
  const inner = (plan.Plans ?? []).flatMap(scansOf);
  return plan["Node Type"] === "Seq Scan" ? [plan["Relation Name"] ?? "", ...inner] : inner;
}

/** Runs `read` and explains each query that it sent, but for those that count the rows of a list. */
async function scansOfReads(read: (db: Pick<Database, "pool">) => Promise<unknown>): Promise<string[]> {
  const scans: string[] = [];
  const query = async (text: string, values: unknown[] = []) => {
    if (text.startsWith("SELECT count(*) AS total")) return db.pool.query(text, values);
    const { rows } = await db.pool.query<{ "QUERY PLAN": [{ Plan: Plan }] }>(`EXPLAIN (FORMAT JSON) ${text}`, values);
    scans.push(...rows.flatMap((row) => scansOf(row["QUERY PLAN"][0].Plan)));
    return db.pool.query(text, values);
  };
  await read({ pool: { query } as unknown as Database["pool"] });
  // A table of a page or two is read from end to end faster than by any index.
  const { rows } = await db.pool.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relname = ANY ($1) AND reltuples > $2",
    [scans, bigTableRows],
  );
  return rows.map(({ name }) => name);
}

const today = new Date().toISOString().slice(0, 10);
const lastMonth = new Date(Date.now() - 29 * 86_400_000).toISOString().slice(0, 10);
const filter = () => ({ userId, fromDay: lastMonth, toDay: today, timeZone, model: null, apiKeyId: null });
const firstPage = { limit: 25, offset: 0 };

test.each<[string, (db: Pick<Database, "pool">) => Promise<unknown>]>([
  ["the figures of the dashboard", (db) => readUserOverview(db, { userId, timeZone })],
  ["the chart of the dashboard", (db) => readDailyUsage(db, { userId, days: 30, timeZone })],
  ["the usage page", (db) => listUsage(db, filter(), firstPage)],
  ["the usage of one model", (db) => listUsage(db, { ...filter(), model: "gpt-5" }, firstPage)],
  ["the totals of the usage page", (db) => readUsageTotals(db, filter())],
  ["the models of the usage page", (db) => listUsedModels(db, userId)],
  [
    "why a request cost what it did",
    async (db) => {
      const accountId = await walletOf(db, userId);
      const [row] = await listUsage(db, filter(), { limit: 1, offset: 0 });
      await findCharge(db, { accountId, requestId: row?.requestId ?? "" });
    },
  ],
  ["the chart of the admins", (db) => readDailyUsage(db, { userId: null, days: 30, timeZone })],
  ["the page of a user", (db) => readUser(db, userId)],
  ["the log", (db) => listAudit(db, { action: null, search: "", limit: 25, offset: 0 })],
  ["the actions of the log", (db) => listAuditActions(db)],
  ["the codes", (db) => listRedeemBatches(db, firstPage)],
])("%s: no big table is read from end to end", async (_name, read) => {
  const scans = await scansOfReads(read);
  expect(scans.filter((table) => !["redeem_batch", "redeem_code", "setting"].includes(table))).toEqual([]);
});

test("the list of users finds its page by an index, with and without a filter", async () => {
  const input = { search: "", status: null, limit: 20, offset: 0 };
  expect(await scansOfReads((db) => listUsers(db, input))).toEqual([]);
  expect(await scansOfReads((db) => listUsers(db, { ...input, status: "suspended" }))).toEqual([]);
});

test("the figures of the admins read accounts and credits, never charges or entries", async () => {
  const scans = await scansOfReads((db) => readSystemOverview(db, { timeZone }));
  expect(scans.filter((table) => ["charge", "ledger_entry", "hold", "usage_rollup"].includes(table))).toEqual([]);
});

test("the chart of the admins counts every charge of its days", async () => {
  const days = await readDailyUsage(db, { userId: null, days: 500, timeZone });
  expect(days.reduce((sum, { requests }) => sum + requests, 0)).toBe(size.charges);
});

test("the books of the house are sound", async () => {
  expect((await verifyLedger(db, openPrice)).filter(({ breaches }) => breaches > 0)).toEqual([]);
  const { rows } = await db.pool.query<{ count: bigint }>("SELECT count(*) FROM charge");
  expect(Number(rows[0]?.count)).toBe(size.charges);
});
