import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { aCapture, aHold, aLedger, aPayer, breachesIn, dollar, type Payer } from "./testing/money.ts";
import type { Extension, HoldOrder } from "./ledger.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

const upTo = (order: HoldOrder, amountNanoUsd: bigint, tokensBound = 1_000): Extension => ({
  id: order.id,
  accountId: order.accountId,
  apiKeyId: order.apiKeyId,
  amountNanoUsd,
  tokensBound,
});

const walletOf = async ({ accountId }: Payer) => {
  const { balanceNanoUsd, heldNanoUsd } = await db.prisma.account.findUniqueOrThrow({ where: { id: accountId } });
  return { balanceNanoUsd, heldNanoUsd };
};

const holdOf = ({ id }: HoldOrder) => db.prisma.hold.findUniqueOrThrow({ where: { id } });

test("a hold is extended to what is asked for, and asking again changes nothing", async () => {
  const payer = await aPayer(db);
  const ledger = await aLedger(db);
  const order = aHold(payer, { amountNanoUsd: 1_000n });
  await ledger.hold(order);
  const held = { outcome: "held", amountNanoUsd: 5_000n };
  expect(await ledger.extend(upTo(order, 5_000n))).toEqual(held);
  expect(await ledger.extend(upTo(order, 5_000n))).toEqual(held);
  expect(await ledger.extend(upTo(order, 2_000n))).toEqual(held);
  expect(await walletOf(payer)).toEqual({ balanceNanoUsd: dollar, heldNanoUsd: 5_000n });
  await ledger.capture(aCapture(order.id, { costNanoUsd: 4_000n, usage: { input: 4, output: 0 } }));
  expect(await walletOf(payer)).toEqual({ balanceNanoUsd: dollar - 4_000n, heldNanoUsd: 0n });
  expect(await ledger.extend(upTo(order, 9_000n))).toEqual({ outcome: "settled", amountNanoUsd: 0n });
});

test("of many streams at once no wallet gives more than it has, over two processes", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 100_000n });
  const ledgers = [await aLedger(db), await aLedger(db)];
  const orders = Array.from({ length: 20 }, () => aHold(payer, { amountNanoUsd: 2_000n }));
  await Promise.all(orders.map((order, n) => ledgers[n % 2]!.hold(order)));
  const outcomes = await Promise.all(orders.map((order, n) => ledgers[n % 2]!.extend(upTo(order, 9_500n))));
  // 60,000 are left: eight times 7,500.
  expect(outcomes.filter(({ outcome }) => outcome === "held")).toHaveLength(8);
  expect(outcomes.filter(({ outcome }) => outcome === "insufficient")).toHaveLength(12);
  expect(await walletOf(payer)).toEqual({ balanceNanoUsd: 100_000n, heldNanoUsd: 100_000n });
  const sum = (await Promise.all(orders.map(holdOf))).reduce((all, { amountNanoUsd }) => all + amountNanoUsd, 0n);
  expect(sum).toBe(100_000n);
  await Promise.all(orders.map((order, n) => ledgers[n % 2]!.release(order.id)));
  expect(await walletOf(payer)).toEqual({ balanceNanoUsd: 100_000n, heldNanoUsd: 0n });
});

test("what is left is given, and said", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 3_000n });
  const ledger = await aLedger(db);
  const order = aHold(payer, { amountNanoUsd: 1_000n });
  await ledger.hold(order);
  expect(await ledger.extend(upTo(order, 9_000n))).toEqual({ outcome: "insufficient", amountNanoUsd: 3_000n });
  expect(await ledger.extend(upTo(order, 9_000n))).toEqual({ outcome: "insufficient", amountNanoUsd: 3_000n });
});

test.each([
  ["daily_budget", { dailyBudgetNanoUsd: 5_000n, monthlyBudgetNanoUsd: 50_000n }],
  ["monthly_budget", { monthlyBudgetNanoUsd: 5_000n }],
] as const)("a %s of the key ends it, with what others of the key hold", async (outcome, data) => {
  const payer = await aPayer(db);
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data });
  const ledger = await aLedger(db);
  const [order, other] = [aHold(payer, { amountNanoUsd: 1_000n }), aHold(payer, { amountNanoUsd: 1_500n })];
  await ledger.hold(order);
  await ledger.hold(other);
  expect(await ledger.extend(upTo(order, 3_000n))).toEqual({ outcome: "held", amountNanoUsd: 3_000n });
  expect(await ledger.extend(upTo(order, 9_000n))).toEqual({ outcome, amountNanoUsd: 3_500n });
  await ledger.capture(aCapture(order.id, { costNanoUsd: 3_000n, usage: { input: 3, output: 0 } }));
  await ledger.release(other.id);
  const allowance = await db.prisma.allowance.findUniqueOrThrow({ where: { subjectId: payer.apiKeyId } });
  expect(allowance).toMatchObject({ inFlight: 0, heldNanoUsd: 0n });
});

test.each([
  [
    "key_disabled",
    (payer: Payer) => db.pool.query("UPDATE api_key SET status = 'disabled' WHERE id = $1", [payer.apiKeyId]),
  ],
  [
    "user_suspended",
    (payer: Payer) => db.pool.query(`UPDATE "user" SET status = 'suspended' WHERE id = $1`, [payer.userId]),
  ],
] as const)("%s: nothing more is held, and what is held stays", async (outcome, change) => {
  const payer = await aPayer(db);
  const ledger = await aLedger(db);
  const order = aHold(payer, { amountNanoUsd: 1_000n });
  await ledger.hold(order);
  await change(payer);
  expect(await ledger.extend(upTo(order, 9_000n))).toEqual({ outcome, amountNanoUsd: 1_000n });
});

test("an extension takes its tokens of a limited minute, whatever is left of it, and the settlement corrects all", async () => {
  const payer = await aPayer(db);
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { tokensPerMinute: 1_000 } });
  const ledger = await aLedger(db);
  const order = aHold(payer, { amountNanoUsd: 1_000n, tokensBound: 900 });
  await ledger.hold(order);
  const longer = upTo(order, 5_000n, 3_000);
  expect(await ledger.extend(longer)).toEqual({ outcome: "held", amountNanoUsd: 5_000n });
  expect(await ledger.extend(longer)).toEqual({ outcome: "held", amountNanoUsd: 5_000n });
  expect(await holdOf(order)).toMatchObject({ takenTokens: 3_000n });
  const tokens = async () =>
    (await db.prisma.allowance.findUniqueOrThrow({ where: { subjectId: payer.apiKeyId } })).milliTokens;
  expect(await tokens()).toBe(-2_000_000n);
  await ledger.capture(aCapture(order.id, { costNanoUsd: 999_000n, usage: { input: 1, output: 499 } }));
  expect(await tokens()).toBe(500_000n);
});

test("a hold of nobody's, another wallet's, or one that is settled is not extended", async () => {
  const [payer, other] = [await aPayer(db), await aPayer(db)];
  const ledger = await aLedger(db);
  const [order, foreign] = [aHold(payer), aHold(other, { amountNanoUsd: 1_000n })];
  await ledger.hold(foreign);
  const settled = { outcome: "settled", amountNanoUsd: 0n };
  expect(await ledger.extend(upTo(order, 9_000n))).toEqual(settled);
  expect(await ledger.extend({ ...upTo(foreign, 9_000n), accountId: payer.accountId })).toEqual(settled);
  expect(await holdOf(foreign)).toMatchObject({ amountNanoUsd: 1_000n });
});

test("money that lags behind in settlements is there for an extension", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 10_000n });
  const ledger = await aLedger(db);
  const [order, other] = [aHold(payer, { amountNanoUsd: 1_000n }), aHold(payer, { amountNanoUsd: 9_000n })];
  await ledger.hold(order);
  await ledger.hold(other);
  const [, extended] = await Promise.all([
    ledger.release(other.id, { mayLag: true }),
    ledger.extend(upTo(order, 10_000n)),
  ]);
  expect(extended).toEqual({ outcome: "held", amountNanoUsd: 10_000n });
});
