import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aCapture, aHold, aPayer } from "../testing/money.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { closeInstance, openInstance, reapOrphans } from "./instance.ts";
import { createLedger } from "./ledger.ts";
import { verifyLedger } from "./verify.ts";

let db: TestDatabase;
beforeEach(async () => void (db = await createTestDatabase()));
afterEach(async () => {
  expect((await verifyLedger(db)).filter(({ breaches }) => breaches > 0)).toEqual([]);
  await db.drop();
});

/** A hold of a process, and the ledger of another one that lives. */
async function aHoldOfADyingProcess() {
  const dying = await openInstance(db);
  const order = aHold(await aPayer(db), { inputTokensBound: 100 });
  await createLedger(db.pool, dying).hold(order);
  return { dying, order, living: createLedger(db.pool, await openInstance(db)) };
}

test("an instance that lives keeps its holds", async () => {
  const { order, living } = await aHoldOfADyingProcess();
  expect(await reapOrphans(db, living)).toBe(0);
  expect((await living.capture(aCapture(order.id))).didSettle).toBe(true);
});

test("a dead one's hold is charged for its prompt, flagged, and the rest is free again", async () => {
  const { dying, order, living } = await aHoldOfADyingProcess();
  await closeInstance(db, dying);
  expect(await reapOrphans(db, living)).toBe(1);
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: order.id } });
  // 100 bytes are 25 tokens at USD 1 per million
  expect(charge).toMatchObject({ basis: "orphan", flags: ["process_died"], costNanoUsd: 25_000n });
});

test("with a checkpoint, what was seen of the output is charged too", async () => {
  const { dying, order, living } = await aHoldOfADyingProcess();
  const { id } = order;
  createCheckpoints(db).note({ id, upstreamResponseId: "resp_1", observedOutputTokens: 7, estimatedInputTokens: 20 });
  await expect
    .poll(async () => (await db.prisma.hold.findUniqueOrThrow({ where: { id } })).estimatedInputTokens)
    .toBe(20n);
  await closeInstance(db, dying);
  await reapOrphans(db, living);
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: id } });
  expect(charge).toMatchObject({ costNanoUsd: 20_000n + 14_000n, upstreamResponseId: "resp_1" });
});

test("several reapers at once settle a hold once", async () => {
  const { dying, living } = await aHoldOfADyingProcess();
  await closeInstance(db, dying);
  const counts = await Promise.all([reapOrphans(db, living), reapOrphans(db, living), reapOrphans(db, living)]);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1);
});
