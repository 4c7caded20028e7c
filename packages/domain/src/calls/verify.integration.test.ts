import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { verifyLedger } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, breachesIn, type Payer } from "@codex-gateway/ledger/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { appendAudit } from "../audit/audit.ts";
import { openPrice } from "../prices/open-price.ts";

let db: TestDatabase;
let payer: Payer;
let openHoldId: string;

beforeEach(async () => {
  db = await createTestDatabase();
  const ledger = await aLedger(db);
  payer = await aPayer(db);
  const [settled, open] = [aHold(payer), aHold(payer)];
  openHoldId = open.id;
  await Promise.all([ledger.hold(settled), ledger.hold(open)]);
  await ledger.capture(aCapture(settled.id));
  const actor = { userId: payer.userId, email: "admin@example.com", address: "127.0.0.1" };
  for (const action of ["login", "update_balance", "logout"]) {
    await appendAudit(db.pool, actor, { action, targetKind: "user", targetId: payer.userId, details: { note: "ü" } });
  }
});
afterEach(() => db.drop());

const breached = async () => (await breachesIn(db)).map(({ invariant }) => invariant);

/** Changes what the triggers protect, as only a broken program or a hand in the database could. */
async function tamper(sql: string): Promise<void> {
  await db.pool.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`);
}

test("sound books have no finding, and each figure says how much it looked at", async () => {
  const findings = await verifyLedger(db, openPrice);
  expect(findings.filter(({ breaches }) => breaches > 0)).toEqual([]);
  expect(Object.fromEntries(findings.map(({ invariant, checked }) => [invariant, checked]))).toEqual({
    I1: 1, // account
    I2: 1,
    I3: 1,
    I4: 1, // charge
    I5: 2, // holds
    I6: 2, // entries: the money that came in, and the capture
    I7: 4, // the two entries, the charge and the adjustment
    I8: 1, // open hold
    I9: 1,
    I11: 1, // roll-up
    I12: 0,
    I13: 0,
    I14: 0,
    REF: 5,
    AUD: 3,
    HEAD: 0,
  });
});

test("in chunks of one row it finds the same", async () => {
  expect(await verifyLedger(db, openPrice, { chunkRows: 1 })).toEqual(await verifyLedger(db, openPrice));
  await tamper("UPDATE ledger_entry SET amount_nano_usd = amount_nano_usd + 1 WHERE account_seq = 2");
  expect(await verifyLedger(db, openPrice, { chunkRows: 1 })).toEqual(await verifyLedger(db, openPrice));
});

/** Mended with the hash of its form: its row could say anything. */
const firstFormLast = `UPDATE ledger_entry e SET hash_version = 1, hash = entry_hash(b.hash, e.kind, e.ref,
    e.amount_nano_usd, e.balance_after_nano_usd, e.account_seq)
  FROM ledger_entry b WHERE e.account_seq = 2 AND b.account_seq = 1;
  UPDATE account a SET head_hash = e.hash FROM ledger_entry e WHERE e.account_id = a.id AND e.account_seq = 2`;

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
  ["I7", "an entry without a reason", () => `DELETE FROM adjustment`],
  ["I7", "a cost that nobody paid", () => `UPDATE charge SET cost_nano_usd = cost_nano_usd + 1`],
  [
    "I8",
    "an open hold of a dead process",
    () => `DELETE FROM instance; UPDATE hold SET created_at = now() - interval '1 hour'`,
  ],
  ["I9", "a cost that its usage does not give", () => `UPDATE charge SET usage = '{"input": 1}'`],
  ["I9", "a usage that is no number", () => `UPDATE charge SET usage = '{"input": -1}'`],
  ["REF", "a hold of a key that is not there", () => `UPDATE hold SET api_key_id = gen_random_uuid()`],
  ["REF", "a charge whose hold is gone", () => `DELETE FROM hold WHERE state = 'captured'`],
  ["REF", "a wallet of nobody", () => `UPDATE account SET user_id = gen_random_uuid()`],
  ["REF", "a charge of another key", () => `UPDATE charge SET api_key_id = gen_random_uuid()`],
  ["I6", "a charge that can be refunded", () => `UPDATE charge SET basis = 'estimate'`],
  ["I6", "an entry of the first form behind one of the second", () => firstFormLast],
  ["I11", "a roll-up of nobody", () => `UPDATE usage_rollup SET account_id = gen_random_uuid()`],
  ["I11", "a key's budget used up less", () => `UPDATE usage_rollup SET cost_nano_usd = cost_nano_usd - 1`],
  ["I11", "a roll-up gone", () => `DELETE FROM usage_rollup`],
  [
    "I11",
    "a roll-up of an hour without charges",
    () => `INSERT INTO usage_rollup SELECT account_id, api_key_id, model,
    hour - interval '1 year', 0, 0, 0, 0 FROM usage_rollup`,
  ],
  [
    "AUD",
    "a line of the audit log changed",
    () => `UPDATE audit_log SET details = '{}' WHERE action = 'update_balance'`,
  ],
  ["AUD", "another name on a line", () => `UPDATE audit_log SET actor_email = 'x@example.com' WHERE action = 'login'`],
  ["AUD", "a line taken out", () => `DELETE FROM audit_log WHERE action = 'update_balance'`],
  ["AUD", "the newest line gone", () => `DELETE FROM audit_log WHERE action = 'logout'`],
  ["AUD", "all lines gone", () => `DELETE FROM audit_log`],
];

test.each(breaches)("%s finds %s", async (invariant, _how, sql) => {
  await tamper(sql());
  expect(await breached()).toContain(invariant);
});

test("lines of the audit log that an older version wrote are proven as well", async () => {
  await tamper(`DELETE FROM audit_log; DELETE FROM audit_head;
    INSERT INTO audit_log (created_at, action, target_kind, details, hash) VALUES ('2026-01-01', 'login', 'user', '{}',
      audit_hash(decode(repeat('00', 32), 'hex'), '2026-01-01', NULL, 'login', 'user', NULL, '', '{}'));
    INSERT INTO audit_head (last_id, hash) SELECT id, hash FROM audit_log`);
  await appendAudit(
    db.pool,
    { userId: null, email: null, address: "" },
    { action: "logout", targetKind: "user", targetId: null },
  );
  expect(await breached()).toEqual([]);
  await tamper("UPDATE audit_log SET action = 'register' WHERE action = 'login'");
  expect(await breached()).toEqual(["AUD"]);
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
