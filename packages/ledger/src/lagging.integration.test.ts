import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aCapture, aHold, aLedger, aPayer, breachesIn, dollar } from "./testing/money.ts";
import type { Capture, Ledger } from "./ledger.ts";

let db: TestDatabase;
let ledger: Ledger;
const batches: number[] = [];
beforeEach(async () => {
  db = await createTestDatabase();
  batches.length = 0;
  ledger = await aLedger(db, { onBatch: (orders) => void batches.push(orders) });
});
afterEach(async () => {
  await ledger.idle();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

const laggingly = (capture: Capture) => ledger.capture(capture, { mayLag: true });
const chargesOf = (accountId: string) => db.prisma.charge.count({ where: { accountId } });

test("settlements that nobody waits for lag behind holds, and come in one batch soon after", async () => {
  const payer = await aPayer(db);
  const orders = [aHold(payer), aHold(payer), aHold(payer)];
  await Promise.all(orders.map((order) => ledger.hold(order)));
  const settled = Promise.all(orders.map(({ id }) => laggingly(aCapture(id))));
  let isSettled = false;
  void settled.then(() => (isSettled = true));
  const next = aHold(payer);
  expect(await ledger.hold(next)).toMatchObject({ outcome: "held" });
  expect(isSettled).toBe(false);
  expect(await settled).toEqual(orders.map(() => ({ didSettle: true, paidNanoUsd: 2_000_000n })));
  expect(batches).toEqual([3, 1, 3]);
  await ledger.release(next.id);
});

test("a settlement that somebody waits for takes those along that lag", async () => {
  const payer = await aPayer(db);
  const [one, two] = [aHold(payer), aHold(payer)];
  await Promise.all([one, two].map((order) => ledger.hold(order)));
  const lagging = laggingly(aCapture(one.id));
  await ledger.release(two.id);
  expect(await chargesOf(payer.accountId)).toBe(1);
  await lagging;
  expect(batches).toEqual([2, 2]);
});

test("hurried, they go out in the next batch, without waiting for company", async () => {
  const payer = await aPayer(db);
  const orders = [aHold(payer), aHold(payer)];
  await Promise.all(orders.map((order) => ledger.hold(order)));
  batches.length = 0;
  const first = laggingly(aCapture(orders[0]!.id));
  ledger.hurry();
  await first;
  await laggingly(aCapture(orders[1]!.id));
  expect(batches).toEqual([1, 1]);
});

test("a hold that needs the money which lags is placed behind it, and the others of its batch before", async () => {
  const [poor, rich] = [await aPayer(db, { balanceNanoUsd: dollar / 10n }), await aPayer(db)];
  for (let n = 0; n < 5; n++) {
    const [first, second, other] = [aHold(poor, { amountNanoUsd: dollar / 20n }), aHold(poor), aHold(rich)];
    expect(await ledger.hold(first)).toMatchObject({ outcome: "held", amountNanoUsd: dollar / 20n });
    void ledger.release(first.id, { mayLag: true });
    const holds = await Promise.all([second, other].map((order) => ledger.hold(order)));
    expect(holds).toEqual(
      [second, other].map(({ amountNanoUsd }) => ({ outcome: "held", amountNanoUsd, allowance: null })),
    );
    await Promise.all([second, other].map(({ id }) => ledger.release(id)));
  }
});

test("a hold that cannot be placed in full gets what is left when all is settled, not less", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 100_000n });
  const [first, second] = [
    aHold(payer, { amountNanoUsd: 80_000n }),
    aHold(payer, { amountNanoUsd: 120_000n, minAmountNanoUsd: 10_000n }),
  ];
  await ledger.hold(first);
  void laggingly(aCapture(first.id, { costNanoUsd: 5_000n, usage: { input: 5, output: 0 } }));
  expect(await ledger.hold(second)).toMatchObject({ outcome: "held", amountNanoUsd: 95_000n });
  await ledger.release(second.id);
});

test("the only place at the same time is free for the next call, although the settlement lags", async () => {
  const payer = await aPayer(db);
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { concurrentRequests: 1 } });
  for (let n = 0; n < 5; n++) {
    const order = aHold(payer);
    expect(await ledger.hold(order)).toMatchObject({ outcome: "held" });
    expect(await ledger.hold(aHold(payer))).toMatchObject({ outcome: "concurrent_requests" });
    void laggingly(aCapture(order.id));
  }
});

test("nobody without a right to hold gets in among those who have one", async () => {
  const [suspended, disabled, indebted, free] = [
    await aPayer(db),
    await aPayer(db),
    await aPayer(db),
    await aPayer(db),
  ];
  await db.prisma.user.update({ where: { id: suspended.userId }, data: { status: "suspended" } });
  await db.prisma.apiKey.update({ where: { id: disabled.apiKeyId }, data: { status: "disabled" } });
  const dear = aHold(indebted, { amountNanoUsd: 1n });
  await ledger.hold(dear);
  await ledger.capture(aCapture(dear.id, { costNanoUsd: 2n * dollar, usage: { input: 2_000_000, output: 0 } }));
  const foreign = { ...free, apiKeyId: suspended.apiKeyId };
  const payers = [suspended, free, disabled, indebted, free, foreign];
  const orders = payers.map((payer) => aHold(payer));
  const outcomes = await Promise.all(orders.map((order) => ledger.hold(order)));
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([
    "user_suspended",
    "held",
    "key_disabled",
    "insufficient",
    "held",
    "key_disabled",
  ]);
  await Promise.all(orders.map(({ id }) => ledger.release(id)));
  // Whoever may hold again is found out at once.
  await db.prisma.user.update({ where: { id: suspended.userId }, data: { status: "active" } });
  const order = aHold(suspended);
  expect(await ledger.hold(order)).toMatchObject({ outcome: "held" });
  await ledger.release(order.id);
});

test("while what lags waits, nobody who has left the queue is held for", async () => {
  const payer = await aPayer(db);
  const order = aHold(payer);
  await ledger.hold(order);
  const other = await db.pool.connect();
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM account FOR UPDATE");
  const lagging = laggingly(aCapture(order.id));
  await sleep(40);
  const late = aHold(payer);
  await expect(ledger.hold(late)).rejects.toThrow("does not answer");
  const released = ledger.release(late.id, { mayLag: true });
  await other.query("COMMIT");
  other.release();
  await Promise.all([lagging, released]);
  expect((await db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } })).heldNanoUsd).toBe(0n);
  expect(await chargesOf(payer.accountId)).toBe(1);
});
