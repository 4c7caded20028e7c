import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { aCapture, aHold, aLedger, aPayer, aRequestId, breachesIn, dollar, type Payer } from "./testing/money.ts";
import { openInstance } from "./durability/instance.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

/** The same hold on each of the ways that it can take. */
const order = `ARRAY[ROW($1::uuid, $2::uuid, $3::uuid, 1000, NULL, $4::uuid, 'chat.completions', 'test-model', 100)]::hold_order[]`;
const ways = {
  fast: `SELECT ledger_hold_all(${order}, ARRAY[$2::uuid], $5::uuid, 1) IS NULL AS held`,
  reserve: `SELECT ledger_reserve(${order}, $5::uuid, 1) <> '{}' AS held`,
  batch: `SELECT b IS NULL AS held, b->0->>'outcome' AS outcome
    FROM ledger_batch('{}', ${order}, ARRAY[$2::uuid], $5::uuid, 1, '{NULL,NULL,NULL}') AS b`,
};

async function ask(
  way: keyof typeof ways,
  payer: Payer,
  id = aRequestId(),
): Promise<{ held: boolean; outcome?: string }> {
  const instance = await openInstance(db);
  const values = [id, payer.accountId, payer.apiKeyId, payer.priceVersionId, instance.id];
  return (await db.pool.query(ways[way], values)).rows[0];
}

const another = (payer: Payer) => aPayer(db).then(({ apiKeyId }) => ({ ...payer, apiKeyId }));
const changed = (table: string, change: string, id: (payer: Payer) => string) => async (payer: Payer) => {
  await db.pool.query(`UPDATE ${table} SET ${change} WHERE id = $1`, [id(payer)]);
  return payer;
};
const changedUser = (change: string) => changed('"user"', change, ({ userId }) => userId);
const changedKey = (change: string) => changed("api_key", change, ({ apiKeyId }) => apiKeyId);

async function owing(payer: Payer): Promise<Payer> {
  const ledger = await aLedger(db);
  const order = aHold(payer, { amountNanoUsd: 1n });
  expect(await ledger.hold(order)).toMatchObject({ outcome: "held" });
  // More than there is, and priced.
  await ledger.capture(aCapture(order.id, { usage: { input: 2_000_000, output: 0 }, costNanoUsd: 2n * dollar }));
  return payer;
}

test.each<[string, (payer: Payer) => Promise<Payer>, string | null]>([
  ["an active key of an active user", async (payer) => payer, null],
  ["a suspended user", changedUser("status = 'suspended'"), "user_suspended"],
  ["a wallet that is not there", async (payer) => ({ ...payer, accountId: randomUUID() }), "user_suspended"],
  ["a disabled key", changedKey("status = 'disabled'"), "key_disabled"],
  ["a deleted key", changedKey("status = 'deleted'"), "key_disabled"],
  ["a key that is not there", async (payer) => ({ ...payer, apiKeyId: randomUUID() }), "key_disabled"],
  ["another user's key", another, "key_disabled"],
  ["a user who owes", owing, "insufficient"],
  [
    "both suspended and disabled",
    async (p) => changedKey("status = 'disabled'")(await changedUser("status = 'suspended'")(p)),
    "user_suspended",
  ],
])("of %s each way says the same", async (_, change, refusal) => {
  const payer = await change(await aPayer(db));
  const [fast, batch, reserve] = [await ask("fast", payer), await ask("batch", payer), await ask("reserve", payer)];
  expect({ fast: fast.held, reserve: reserve.held }).toEqual({ fast: refusal === null, reserve: refusal === null });
  expect(batch).toMatchObject({ held: refusal === null, outcome: refusal });
});

test.each([
  ["a user with a limit", changedUser("requests_per_minute = 100")],
  ["a key with a limit", changedKey("concurrent_requests = 100")],
  ["a key with a budget", changedKey("daily_budget_nano_usd = 1000000000")],
])("of %s the fast ways decide nothing, and the batch looks", async (_, change) => {
  const payer = await change(await aPayer(db));
  expect([await ask("fast", payer), await ask("reserve", payer)]).toMatchObject([{ held: false }, { held: false }]);
  const id = aRequestId();
  await ask("batch", payer, id);
  expect(await db.prisma.hold.findUnique({ where: { id } })).toMatchObject({ state: "open", isLimited: true });
});

test("the rule costs no call: PostgreSQL puts its query in the place of it", async () => {
  const { rows } = await db.pool.query<{ "QUERY PLAN": string }>(
    "EXPLAIN SELECT e.* FROM account a CROSS JOIN LATERAL hold_eligibility(a.user_id, a.id) e",
  );
  const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
  expect(plan).toContain("api_key k");
  expect(plan).not.toContain("Function Scan");
});
