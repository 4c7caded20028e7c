/** Processes that were taken for dead, and live: what was estimated for them is corrected by what they know. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import {
  adoptSpools,
  closeInstance,
  type Instance,
  type Ledger,
  openInstance,
  openSpool,
  reapOrphans,
  renewLease,
  restoreInstances,
} from "@codex-gateway/ledger";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findCharge } from "../reports/charges.ts";
import { refundCharge } from "./refund.ts";

let pool: ReturnType<typeof openCallPool>;
let db: TestDatabase;
let instance: Instance;
/** Of the process that sleeps, and of one that is awake. */
let asleep: Ledger;
let awake: Ledger;
let payer: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  pool = openCallPool(db.url, "ledger");
  instance = await openInstance(db);
  asleep = aLedgerOf(pool, instance);
  awake = aLedgerOf(pool, await openInstance(db));
  payer = await aPayer(db);
});
afterEach(async () => {
  await Promise.all([asleep.idle(), awake.idle()]);
  await pool.end();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

const orphanNanoUsd = 25_000n; // 100 bytes are 25 tokens at USD 1 per million
const exact = aCapture("").costNanoUsd;
const walletOf = () => db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });
const debtOf = async () =>
  (await db.prisma.account.findFirst({ where: { userId: payer.userId, kind: "receivable" } }))?.balanceNanoUsd ?? 0n;
const rolledUp = async () => {
  const { _sum } = await db.prisma.usageRollup.aggregate({
    _sum: { costNanoUsd: true, requests: true, inputTokens: true, outputTokens: true },
  });
  return _sum;
};

/** A hold of the process that sleeps, which others have settled meanwhile. */
async function settledByOthers(amountNanoUsd = dollar / 10n) {
  const order = aHold(payer, { amountNanoUsd });
  await asleep.hold(order);
  await closeInstance(db, instance);
  expect(await reapOrphans(db, awake)).toEqual({ settled: 1, errors: [] });
  await renewLease(db, instance, null);
  return order.id;
}

test("a process that wakes corrects what others have charged too little, once", async () => {
  const id = await settledByOthers();
  expect((await walletOf()).balanceNanoUsd).toBe(dollar - orphanNanoUsd);
  // Twice by itself, and by another process that has adopted its log.
  await Promise.all([
    asleep.capture(aCapture(id)),
    asleep.capture(aCapture(id)),
    awake.capture(aCapture(id), { accountId: payer.accountId }),
  ]);
  await asleep.capture(aCapture(id));
  expect(await walletOf()).toMatchObject({ balanceNanoUsd: dollar - exact, heldNanoUsd: 0n });
  expect(await db.prisma.trueUp.findMany()).toMatchObject([
    { holdId: id, chargedNanoUsd: orphanNanoUsd, costNanoUsd: exact, basis: "exact" },
  ]);
  expect(await db.prisma.ledgerEntry.count({ where: { kind: "true_up" } })).toBe(1);
  expect(await rolledUp()).toEqual({ costNanoUsd: exact, requests: 1n, inputTokens: 1_000n, outputTokens: 500n });
  const charge = await findCharge(db, { accountId: payer.accountId, requestId: id });
  expect(charge).toMatchObject({ cost_usd: "0.002000000", basis: "exact", flags: ["trued_up"] });
});

test("what was charged too much is given back", async () => {
  const id = await settledByOthers();
  await asleep.capture(aCapture(id, { costNanoUsd: 10_000n, usage: { input: 10 } }));
  expect((await walletOf()).balanceNanoUsd).toBe(dollar - 10_000n);
  expect(await rolledUp()).toMatchObject({ costNanoUsd: 10_000n, inputTokens: 10n });
});

test("a call that came to nothing is given back whole", async () => {
  const id = await settledByOthers();
  await asleep.release(id);
  expect((await walletOf()).balanceNanoUsd).toBe(dollar);
  expect(await rolledUp()).toMatchObject({ costNanoUsd: 0n, inputTokens: 0n, outputTokens: 0n });
});

test("what the wallet does not cover any more is a debt", async () => {
  const id = await settledByOthers();
  const rest = aHold(payer, { amountNanoUsd: dollar - orphanNanoUsd });
  await asleep.hold(rest);
  await asleep.capture(aCapture(id));
  expect([(await walletOf()).balanceNanoUsd, await debtOf()]).toEqual([dollar - orphanNanoUsd, exact - orphanNanoUsd]);
  await asleep.release(rest.id);
});

test("a debt that an estimate made is paid back first", async () => {
  // Costs more than is there, and then less than the estimate.
  const id = await settledByOthers(orphanNanoUsd);
  const large = aHold(payer, { amountNanoUsd: 1n });
  await asleep.hold(large);
  await asleep.capture(aCapture(large.id, { costNanoUsd: dollar, usage: { input: 1_000_000 } }));
  expect([(await walletOf()).balanceNanoUsd, await debtOf()]).toEqual([0n, orphanNanoUsd]);
  await asleep.capture(aCapture(id, { costNanoUsd: 0n, usage: {} }));
  expect([(await walletOf()).balanceNanoUsd, await debtOf()]).toEqual([0n, 0n]);
});

test("a charge that was refunded meanwhile stays so, and one that was corrected is refunded no more", async () => {
  const actor = { userId: null, email: null, address: "" };
  const [refunded, corrected] = [await settledByOthers(), await settledByOthers()];
  await refundCharge(db, { requestId: refunded, actor });
  await asleep.capture(aCapture(refunded));
  expect(await db.prisma.trueUp.count()).toBe(0);
  await asleep.capture(aCapture(corrected));
  await expect(refundCharge(db, { requestId: corrected, actor })).rejects.toThrow("exact");
  expect((await walletOf()).balanceNanoUsd).toBe(dollar - exact);
});

test("what is settled exactly is not corrected, however often it is sent", async () => {
  const order = aHold(payer);
  await asleep.hold(order);
  await asleep.capture(aCapture(order.id, { basis: "estimate" }));
  await awake.capture(aCapture(order.id, { costNanoUsd: 1_000n, usage: { input: 1 } }));
  await awake.release(order.id);
  expect((await walletOf()).balanceNanoUsd).toBe(dollar - exact);
  expect(await db.prisma.trueUp.count()).toBe(0);
});

test("a log that is found after others have estimated corrects them", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "true-up-"));
  try {
    const order = aHold(payer);
    await asleep.hold(order);
    const unheard = { ...asleep, capture: () => new Promise<never>(() => undefined) };
    await openSpool(folder, instance.id, unheard, { writesAhead: true }).settle({ capture: aCapture(order.id) });
    await closeInstance(db, instance);
    expect(await reapOrphans(db, awake)).toMatchObject({ settled: 1 });
    const [one, other] = await Promise.all([adoptSpools(db, folder, awake), adoptSpools(db, folder, asleep)]);
    expect([...one.failed, ...other.failed]).toEqual([]);
    expect((await walletOf()).balanceNanoUsd).toBe(dollar - exact);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a process whose row is gone is known again with its next heartbeat, and its holds are found when it dies", async () => {
  const order = aHold(payer);
  await asleep.hold(order);
  await db.prisma.instance.delete({ where: { id: instance.id } });
  expect(await renewLease(db, instance, asleep.oldestOpenHold())).toMatchObject({ wasLost: true });
  expect(await renewLease(db, instance, asleep.oldestOpenHold())).toMatchObject({ wasLost: false });
  expect(await db.prisma.instance.findUniqueOrThrow({ where: { id: instance.id } })).toMatchObject({ epoch: 1n });
  expect(await reapOrphans(db, awake)).toMatchObject({ settled: 0 });
  await closeInstance(db, instance);
  expect(await reapOrphans(db, awake)).toMatchObject({ settled: 1 });
});

test("holds of a process that died after its row was gone are found, and given it the time to show up", async () => {
  const order = aHold(payer);
  await asleep.hold(order);
  await db.prisma.instance.delete({ where: { id: instance.id } });
  expect(await Promise.all([restoreInstances(db, 60_000), restoreInstances(db, 60_000)])).toContain(1);
  expect(await restoreInstances(db, 60_000)).toBe(0);
  expect(await reapOrphans(db, awake)).toMatchObject({ settled: 0 });
  await db.pool.query("UPDATE instance SET lease_until = now() - interval '1 s' WHERE id = $1", [instance.id]);
  expect(await reapOrphans(db, awake)).toMatchObject({ settled: 1 });
});
