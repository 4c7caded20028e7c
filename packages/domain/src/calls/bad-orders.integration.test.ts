/** One order that cannot be entered: only that one is refused or set aside, whoever else shares its batch. */
import { openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { type Capture, closeInstance, type Ledger, openInstance, reapOrphans } from "@codex-gateway/ledger";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noteDeadLetters } from "../alerts/ledger-faults.ts";

let pool: ReturnType<typeof openCallPool>;
let db: TestDatabase;
let ledger: Ledger;
let payer: Payer;
let letters: { requestId: string; outcome: string; code: string }[];
beforeEach(async () => {
  db = await createTestDatabase();
  pool = openCallPool(db.url, "ledger");
  letters = [];
  ledger = aLedgerOf(pool, await openInstance(db), { onDeadLetter: (letter) => letters.push(letter) });
  payer = await aPayer(db, { balanceNanoUsd: 100n * dollar });
});
afterEach(async () => {
  await ledger.idle();
  await pool.end();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

/** Holds of a batch's size, which stand. */
async function held(count: number) {
  const orders = Array.from({ length: count }, () => aHold(payer));
  await Promise.all(orders.map((order) => ledger.hold(order)));
  return orders.map(({ id }) => id);
}

const chargeOf = (holdId: string) => db.prisma.charge.findUnique({ where: { holdId } });

/** Settles one hold so, in the middle of a batch of plain ones. */
async function settleAmongOthers(capture: Partial<Capture>) {
  const ids = await held(31);
  const bad = ids[15]!;
  const settled = await Promise.all(ids.map((id) => ledger.capture(aCapture(id, id === bad ? capture : {}))));
  expect(settled.every(({ didSettle }) => didSettle)).toBe(true);
  expect(await db.prisma.charge.count({ where: { basis: "exact", costNanoUsd: 2_000_000n } })).toBeGreaterThanOrEqual(
    30,
  );
  return { bad, charge: await chargeOf(bad) };
}

describe("a figure that only informs", () => {
  const monthMs = 30 * 24 * 60 * 60_000;
  test.each<[string, Partial<Capture>, Partial<Record<"latencyMs" | "timeToFirstByteMs" | "status", number>>]>([
    ["a latency of a month", { latencyMs: monthMs }, { latencyMs: 2 ** 31 - 1 }],
    ["a latency below zero", { latencyMs: -5 }, { latencyMs: 0 }],
    ["a latency with a fraction", { latencyMs: 12.7 }, { latencyMs: 12 }],
    ["a latency that is no number", { latencyMs: Number.NaN }, { latencyMs: 0 }],
    ["a first byte without end", { timeToFirstByteMs: Infinity }, { timeToFirstByteMs: 2 ** 31 - 1 }],
    ["a status out of range", { status: 10 ** 12 }, { status: 2 ** 31 - 1 }],
  ])("is clamped: %s", async (_what, capture, expected) => {
    const { charge } = await settleAmongOthers(capture);
    expect(charge).toMatchObject({ ...expected, basis: "exact", costNanoUsd: 2_000_000n });
    expect(letters).toEqual([]);
  });
});

describe("a settlement that the database refuses", () => {
  test.each<[string, Partial<Capture>]>([
    ["an upstream's id that is none", { upstreamId: "not-a-uuid" }],
    ["flags that are none", { flags: null as unknown as string[] }],
  ])("is charged exactly, without its details: %s", async (_what, capture) => {
    const { bad, charge } = await settleAmongOthers(capture);
    expect(charge).toMatchObject({ basis: "exact", costNanoUsd: 2_000_000n, flags: ["details_lost"] });
    expect(letters).toMatchObject([{ requestId: bad, outcome: "exact" }]);
  });

  test.each<[string, Partial<Capture>]>([
    ["a basis that is none", { basis: "guess" as Capture["basis"] }],
    ["a class that is no JSON", { usage: { 'in"put': 1 } }],
    ["units that are no number", { usage: { input: Number.NaN } }],
    ["units beyond 64 bits", { usage: { input: 2 ** 70 } }],
    ["a cost below zero", { costNanoUsd: -1n }],
    ["a cost beyond 64 bits", { costNanoUsd: 2n ** 64n }],
  ])("is charged by what is known of the hold: %s", async (_what, capture) => {
    const { bad, charge } = await settleAmongOthers(capture);
    // 100 bytes are 25 tokens at USD 1 per million
    expect(charge).toMatchObject({ basis: "estimate", costNanoUsd: 25_000n, flags: ["settlement_unreadable"] });
    expect(letters).toMatchObject([{ requestId: bad, outcome: "estimate" }]);
  });

  test("is kept as it was, told once, and not tried again", async () => {
    await db.prisma.setting.create({ data: { key: "alertEmailTo", value: "admin@example.com" } });
    const { bad } = await settleAmongOthers({ upstreamId: "not-a-uuid", servedModel: "m\0\ud800" });
    // Sent twice.
    expect(await ledger.capture(aCapture(bad, { upstreamId: "not-a-uuid" }))).toMatchObject({ didSettle: false });
    const [letter, ...others] = await db.prisma.deadLetter.findMany();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ holdId: bad, outcome: "exact" });
    expect(Buffer.from(letter!.line).toString()).toContain('"costNanoUsd":"2000000"');
    await Promise.all([noteDeadLetters(db), noteDeadLetters(db)]);
    await noteDeadLetters(db);
    const alerts = await db.prisma.alert.findMany();
    expect(alerts.map(({ kind }) => kind)).toEqual(["settlements_set_aside"]);
    expect(alerts[0]!.facts).toEqual({ count: 1, open: 0, requestIds: [bad] });
  });
});

describe("a hold that the database refuses", () => {
  test.each<[string, { amountNanoUsd?: bigint; apiKeyId?: string; inputTokensBound?: number }]>([
    ["an amount beyond 64 bits", { amountNanoUsd: 2n ** 63n }],
    ["a key that is none", { apiKeyId: "not-a-uuid" }],
    ["a bound that is no number", { inputTokensBound: Number.NaN }],
  ])("is refused alone: %s", async (_what, order) => {
    const others = Array.from({ length: 20 }, () => aHold(payer));
    const holding = others.map((each) => ledger.hold(each));
    const bad = ledger.hold(aHold(payer, order));
    holding.push(...Array.from({ length: 10 }, () => ledger.hold(aHold(payer))));
    await expect(bad).rejects.toThrow();
    expect((await Promise.all(holding)).every(({ outcome }) => outcome === "held")).toBe(true);
  });

  test("amounts near the most of 64 bits are compared, not added up", async () => {
    const other = await aPayer(db);
    const large = Array.from({ length: 40 }, () => ledger.hold(aHold(payer, { amountNanoUsd: 2n ** 63n - 1n })));
    const small = Array.from({ length: 8 }, () => ledger.hold(aHold(other)));
    expect((await Promise.all(small)).map(({ outcome }) => outcome)).toEqual(Array(8).fill("held"));
    expect((await Promise.all(large)).map(({ outcome }) => outcome)).toEqual(Array(40).fill("insufficient"));
    // And together with what is to be decided one by one.
    const judged = [
      ledger.hold(aHold(payer, { amountNanoUsd: 2n ** 62n })),
      ledger.hold(aHold(payer, { amountNanoUsd: 2n ** 62n })),
      ledger.hold(aHold(other, { amountNanoUsd: 1n })),
    ];
    expect((await Promise.all(judged)).map(({ outcome }) => outcome)).toEqual(["insufficient", "insufficient", "held"]);
  });
});

test("a hold whose wallet takes no settlement stays open, is told of, and stops neither others nor the reaper", async () => {
  const [bad, good] = await held(2);
  const instance = await openInstance(db);
  const dying = aLedgerOf(pool, instance);
  const broken = await aPayer(db);
  const [stuck, fine] = [aHold(broken), aHold(payer)];
  await Promise.all([dying.hold(stuck), dying.hold(fine)]);
  // A trigger stands for whatever makes each write to one wallet fail.
  await db.pool.query(`CREATE FUNCTION break_one() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'data_exception'; END $$;
    CREATE TRIGGER break_one BEFORE UPDATE ON account FOR EACH ROW WHEN (NEW.id = '${broken.accountId}')
      EXECUTE FUNCTION break_one()`);
  await closeInstance(db, instance);
  const settled = Promise.all([ledger.capture(aCapture(bad!)), ledger.capture(aCapture(good!))]);
  expect(await reapOrphans(db, ledger)).toEqual({ settled: 1, errors: [] });
  expect((await settled).every(({ didSettle }) => didSettle)).toBe(true);
  expect(letters).toMatchObject([{ requestId: stuck.id, outcome: "open" }]);
  expect(await reapOrphans(db, ledger)).toEqual({ settled: 0, errors: [] });
  expect(await db.prisma.deadLetter.count()).toBe(1);
  await db.pool.query("DROP TRIGGER break_one ON account");
  expect(await ledger.release(stuck.id)).toMatchObject({ didSettle: true });
});
