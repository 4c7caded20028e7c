import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { adjustBalance, spreadOf, takeHead, verifyLedger, type BooksHead } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changePrice } from "../prices/price-admin.ts";
import { openPrice } from "../prices/open-price.ts";

let db: TestDatabase;
let payer: Payer;
let heads: BooksHead[];
beforeEach(async () => {
  db = await createTestDatabase();
  payer = await aPayer(db);
  heads = [];
  await charge();
  await keep();
});
afterEach(() => db.drop());

async function charge(): Promise<void> {
  const ledger = await aLedger(db);
  const order = aHold(payer);
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id));
}

/** Of all that is there: nothing else is under way. */
const keep = async () => void heads.push(await takeHead(db, { settledMs: -1 }));

const tamper = (sql: string) => db.pool.query(`BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`);

async function check(faults: string[] = []) {
  const findings = await verifyLedger(db, openPrice, { readHeads: () => ({ heads, faults }) });
  const broken = findings.filter(({ breaches }) => breaches > 0);
  return { broken: broken.map(({ invariant }) => invariant), notes: broken.flatMap(({ notes }) => notes ?? []) };
}

/** The newest entry is taken out with what it is about, and all figures are mended. */
const cutOff = (table: string, column: string) =>
  tamper(`
    CREATE TEMP TABLE cut AS SELECT * FROM ledger_entry ORDER BY created_at DESC, account_seq DESC LIMIT 1;
    DELETE FROM ledger_entry e USING cut c WHERE e.account_id = c.account_id AND e.account_seq = c.account_seq;
    DELETE FROM ${table} t USING cut c WHERE t.${column} = c.ref;
    DELETE FROM hold t USING cut c WHERE t.id = c.ref;
    DELETE FROM usage_rollup WHERE NOT EXISTS (SELECT 1 FROM charge);
    UPDATE account a SET seq = a.seq - 1, balance_nano_usd = a.balance_nano_usd - c.amount_nano_usd,
      head_hash = coalesce((SELECT hash FROM ledger_entry e WHERE e.account_id = a.id AND e.account_seq = a.seq - 1),
        decode(repeat('00', 32), 'hex'))
      FROM cut c WHERE c.account_id = a.id;
    DROP TABLE cut`);

test("later charges, credits and prices change nothing of a head", async () => {
  await charge();
  await adjustBalance(db, {
    accountId: payer.accountId,
    amountNanoUsd: dollar,
    source: "test",
    sourceId: "2",
    isPaid: true,
    note: "",
    actorId: null,
  });
  await aPayer(db);
  await keep();
  expect(await check()).toEqual({ broken: [], notes: [] });
});

test("the newest charge, cut off with its chain mended, is found by the head alone", async () => {
  await cutOff("charge", "hold_id");
  const { broken, notes } = await check();
  expect(broken).toEqual(["HEAD"]);
  expect(notes[0]).toContain("all balances in nano-USD: 1000000000, not 998000000; the chains of accounts are others");
});

test("so is the newest credit", async () => {
  await adjustBalance(db, {
    accountId: payer.accountId,
    amountNanoUsd: dollar,
    source: "test",
    sourceId: "2",
    isPaid: true,
    note: "",
    actorId: null,
  });
  await keep();
  expect((await check()).broken).toEqual([]);
  await cutOff("adjustment", "id");
  const { broken, notes } = await check();
  expect(broken).toEqual(["HEAD"]);
  // What was kept before it still fits, and bounds the time.
  expect(notes[1]).toContain(`The head of ${heads[0]?.before} fits`);
});

test.each([
  ["a price that nobody was charged by yet", "UPDATE price_version SET context_tokens = 1"],
  ["a price taken out", "DELETE FROM price_version WHERE context_tokens = 7"],
  ["an audit log that was begun anew", "DELETE FROM audit_log; DELETE FROM audit_head"],
])("%s is found", async (_, sql) => {
  const band = { aboveInputTokens: -1, usdPerMillion: { input: "1" } };
  const actor = { userId: payer.userId, email: "admin@example.com", address: "" };
  await changePrice(db, {
    actor,
    model: "other",
    bands: [band],
    markupPpm: 1_000_000,
    contextTokens: 7,
    maxOutputTokens: null,
  });
  await keep();
  await tamper(sql);
  expect((await check()).broken).toEqual(["HEAD"]);
});

test("what is wrong with the keeping is a breach with its sentence", async () => {
  expect(await check(["Kept heads are missing."])).toEqual({ broken: ["HEAD"], notes: ["Kept heads are missing."] });
});

test("of a thousand heads eleven are looked at, the newest first", () => {
  const kept = Array.from({ length: 1_025 }, (_, at) => ({ ...heads[0]!, accounts: 1_025 - at }));
  expect(spreadOf(kept).map(({ accounts }) => accounts)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]);
});
