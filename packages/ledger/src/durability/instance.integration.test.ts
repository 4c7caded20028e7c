import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aLedger, aPayer, breachesIn, dollar } from "../testing/money.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { closeInstance, openInstance } from "./instance.ts";
import { reapOrphans, settleOverdue, type RecallResponse } from "./orphans.ts";

let db: TestDatabase;
beforeEach(async () => void (db = await createTestDatabase()));
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

/** A hold of a process, and the ledger of another one that lives. */
async function aHoldOfADyingProcess() {
  const dying = await openInstance(db);
  const order = aHold(await aPayer(db), { inputTokensBound: 100 });
  await aLedgerOf(db.pool, dying).hold(order);
  return { dying, order, living: await aLedger(db) };
}

test("an instance that lives keeps its holds", async () => {
  const { order, living } = await aHoldOfADyingProcess();
  expect(await reapOrphans(db, living)).toEqual({ settled: 0, errors: [] });
  expect((await living.capture(aCapture(order.id))).didSettle).toBe(true);
});

test("a dead one's hold is charged for its prompt, flagged, and the rest is free again", async () => {
  const { dying, order, living } = await aHoldOfADyingProcess();
  await closeInstance(db, dying);
  expect(await reapOrphans(db, living)).toEqual({ settled: 1, errors: [] });
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: order.id } });
  // 100 bytes are 25 tokens at USD 1 per million
  expect(charge).toMatchObject({ basis: "orphan", flags: ["process_died"], costNanoUsd: 25_000n });
});

test("of several dead ones, those alone are settled for that are named", async () => {
  const { dying, order, living } = await aHoldOfADyingProcess();
  await closeInstance(db, dying);
  expect(await reapOrphans(db, living, undefined, { only: [randomUUID()] })).toEqual({ settled: 0, errors: [] });
  expect(await reapOrphans(db, living, undefined, { only: [dying.id] })).toEqual({ settled: 1, errors: [] });
  expect(await db.prisma.charge.count({ where: { holdId: order.id } })).toBe(1);
});

test("a living process's hold is settled when no call can have it any more, and not before", async () => {
  const { dying: living, order } = await aHoldOfADyingProcess();
  const ledger = aLedgerOf(db.pool, living);
  const overdue = () =>
    settleOverdue(db, ledger, () => Promise.resolve(null), { instanceId: living.id, overdueMs: 60_000 });
  expect(await overdue()).toEqual({ settled: 0, errors: [] });
  await db.pool.query("UPDATE hold SET created_at = now() - interval '61 seconds'");
  expect(await overdue()).toEqual({ settled: 1, errors: [] });
  expect((await ledger.capture(aCapture(order.id))).didSettle).toBe(false);
});

/** Its upstream's response has an id, and 7 tokens of it were seen when its process died. */
async function anOrphanWithACheckpoint() {
  const { dying, order, living } = await aHoldOfADyingProcess();
  const { id } = order;
  createCheckpoints(db).note({ id, upstreamResponseId: "resp_1", observedOutputTokens: 7, estimatedInputTokens: 20 });
  await expect
    .poll(async () => (await db.prisma.hold.findUniqueOrThrow({ where: { id } })).estimatedInputTokens)
    .toBe(20n);
  await closeInstance(db, dying);
  return { id, living };
}

test("what the provider says of the whole response is charged, exactly", async () => {
  const { id, living } = await anOrphanWithACheckpoint();
  const asked: unknown[] = [];
  await reapOrphans(db, living, (asks) => {
    asked.push(asks);
    return Promise.resolve({
      outcome: "used",
      upstreamId: randomUUID(),
      usage: { input: 40_000, output: 900 },
      serviceTier: null,
      servedModel: "m",
    });
  });
  expect(asked).toEqual(["resp_1"]);
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: id } });
  expect(charge).toMatchObject({ basis: "exact", flags: ["process_died"], costNanoUsd: 40_000_000n + 1_800_000n });
});

test.each<[string, RecallResponse]>([
  ["a provider that knows nothing", () => Promise.resolve(null)],
  ["a provider that fails", () => Promise.reject(new Error("down"))],
  [
    "an answer above the hold",
    () =>
      Promise.resolve({
        outcome: "used",
        upstreamId: randomUUID(),
        usage: { output: 10 ** 9 },
        serviceTier: null,
        servedModel: null,
      }),
  ],
])("%s leaves what was seen", async (_what, recall) => {
  const { id, living } = await anOrphanWithACheckpoint();
  await reapOrphans(db, living, recall);
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: id } });
  expect(charge).toMatchObject({ basis: "orphan", costNanoUsd: 20_000n + 14_000n });
});

test("a response that failed before anything came is given back", async () => {
  const { id, living } = await anOrphanWithACheckpoint();
  expect(await reapOrphans(db, living, () => Promise.resolve({ outcome: "nothing" }))).toMatchObject({ settled: 1 });
  expect((await db.prisma.hold.findUniqueOrThrow({ where: { id } })).state).toBe("released");
});

test("a provider that takes its time holds nobody up: after a second the rest is settled by what was seen", async () => {
  const dying = await openInstance(db);
  const payer = await aPayer(db, { balanceNanoUsd: 10n * dollar });
  const ledger = aLedgerOf(db.pool, dying);
  const orders = Array.from({ length: 40 }, () => aHold(payer));
  await Promise.all(orders.map((order) => ledger.hold(order)));
  await db.prisma.hold.updateMany({ data: { upstreamResponseId: "resp_1" } });
  await closeInstance(db, dying);
  let asked = 0;
  const slow = () => {
    asked++;
    return new Promise<null>((resolve) => setTimeout(resolve, 1_100, null));
  };
  const startedAtMs = Date.now();
  expect(await reapOrphans(db, await aLedger(db), slow)).toMatchObject({ settled: 40 });
  expect(asked).toBe(16);
  expect(Date.now() - startedAtMs).toBeLessThan(5_000);
});

test("with a checkpoint, what was seen of the output is charged too", async () => {
  const { id, living } = await anOrphanWithACheckpoint();
  await reapOrphans(db, living);
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: id } });
  expect(charge).toMatchObject({ costNanoUsd: 20_000n + 14_000n, upstreamResponseId: "resp_1" });
});

test("several reapers at once settle a hold once", async () => {
  const { dying, living } = await aHoldOfADyingProcess();
  await closeInstance(db, dying);
  const counts = await Promise.all([reapOrphans(db, living), reapOrphans(db, living), reapOrphans(db, living)]);
  expect(counts.reduce((sum, { settled }) => sum + settled, 0)).toBe(1);
});
