import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aCapture, aHold, aPayer, type Payer } from "../testing/money.ts";
import { createLedger } from "./ledger.ts";
import { verifyLedger } from "./verify.ts";

let db: TestDatabase;
let payer: Payer;
let openHoldId: string;

beforeEach(async () => {
  db = await createTestDatabase();
  const instance = await db.prisma.instance.create({
    data: { id: randomUUID(), epoch: 1, leaseUntil: new Date(Date.now() + 3_600_000) },
  });
  const ledger = createLedger(db.pool, instance);
  payer = await aPayer(db);
  const [settled, open] = [aHold(payer), aHold(payer)];
  openHoldId = open.id;
  await Promise.all([ledger.hold(settled), ledger.hold(open)]);
  await ledger.capture(aCapture(settled.id));
});
afterEach(() => db.drop());

const breached = async () => (await verifyLedger(db)).filter(({ breaches }) => breaches > 0).map((f) => f.invariant);

/** Changes what the triggers protect, as only a broken program or a hand in the database could. */
async function tamper(sql: string): Promise<void> {
  await db.pool.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`);
}

test("sound books have no finding", async () => {
  expect(await breached()).toEqual([]);
});

const breaches: [invariant: string, how: string, sql: () => string][] = [
  ["I1", "a balance without an entry", () => `UPDATE account SET balance_nano_usd = balance_nano_usd + 1`],
  ["I2", "held money without a hold", () => `UPDATE account SET held_nano_usd = held_nano_usd + 1`],
  ["I5", "a captured hold without a charge", () => `UPDATE hold SET state = 'captured' WHERE id = '${openHoldId}'`],
  [
    "I6",
    "an entry changed after the fact",
    () => `UPDATE ledger_entry SET ref = gen_random_uuid() WHERE account_seq = 1`,
  ],
  ["I6", "the newest entry gone", () => `DELETE FROM ledger_entry WHERE account_seq = 2`],
  ["I7", "money that came from nowhere", () => `UPDATE adjustment SET amount_nano_usd = amount_nano_usd + 1`],
  [
    "I8",
    "an open hold of a dead process",
    () => `DELETE FROM instance; UPDATE hold SET created_at = now() - interval '1 hour'`,
  ],
  ["I9", "a cost that its usage does not give", () => `UPDATE charge SET usage = '{"input": 1}'`],
];

test.each(breaches)("%s finds %s", async (invariant, _how, sql) => {
  await tamper(sql());
  expect(await breached()).toContain(invariant);
});

test("I3 is the schema's own: no statement can make it false", async () => {
  await expect(db.pool.query("UPDATE account SET balance_nano_usd = held_nano_usd - 1")).rejects.toThrow(
    "account_never_overdrawn",
  );
});

test("I4 is the schema's own: a hold has one charge", async () => {
  await expect(tamper("INSERT INTO charge SELECT * FROM charge")).rejects.toThrow("charge_pkey");
});

test("entries and charges cannot be changed", async () => {
  await expect(db.pool.query("UPDATE ledger_entry SET amount_nano_usd = 0")).rejects.toThrow("append-only");
  await expect(db.pool.query("DELETE FROM charge")).rejects.toThrow("append-only");
});
