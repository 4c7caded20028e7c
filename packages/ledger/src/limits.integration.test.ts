import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { aCapture, aHold, aLedger, aPayer, breachesIn, dollar } from "./testing/money.ts";
import type { DefaultLimits, HoldOutcome } from "./ledger.ts";

let db: TestDatabase;
const limits: DefaultLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };

const aLimitedLedger = (defaults = limits) => aLedger(db, { defaultLimits: () => defaults });

beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

type KeyLimits = Parameters<TestDatabase["prisma"]["apiKey"]["update"]>[0]["data"];

async function aLimitedPayer(data: KeyLimits) {
  const payer = await aPayer(db, { balanceNanoUsd: 100n * dollar });
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data });
  return payer;
}

const count = (outcomes: HoldOutcome[], outcome: HoldOutcome["outcome"]) =>
  outcomes.filter((each) => each.outcome === outcome).length;

test("of 40 requests at once over two processes, a key for 10 a minute gets 10 through", async () => {
  const payer = await aLimitedPayer({ requestsPerMinute: 10 });
  const ledgers = [await aLimitedLedger(), await aLimitedLedger()];
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, n) => ledgers[n % 2]!.hold(aHold(payer, { amountNanoUsd: 1_000n }))),
  );
  expect(count(outcomes, "held")).toBe(10);
  const refused = outcomes.find((each) => each.outcome === "requests_per_minute");
  expect(refused).toMatchObject({ outcome: "requests_per_minute" });
  expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(3_000);
});

test("what is left of the minute is told with the hold", async () => {
  const payer = await aLimitedPayer({ requestsPerMinute: 10, tokensPerMinute: 5_000 });
  const ledger = await aLimitedLedger();
  expect(await ledger.hold(aHold(payer))).toMatchObject({
    outcome: "held",
    allowance: { requests: { limit: 10, remaining: 9 }, tokens: { limit: 5_000, remaining: 4_800 } },
  });
});

test("a place at the same time is free again once its call is settled, however it ended", async () => {
  const payer = await aLimitedPayer({ concurrentRequests: 2 });
  const ledger = await aLimitedLedger();
  const [first, second, third] = [aHold(payer), aHold(payer), aHold(payer)];
  const outcomes = await Promise.all([ledger.hold(first), ledger.hold(second), ledger.hold(third)]);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["held", "held", "concurrent_requests"]);
  await Promise.all([
    ledger.capture(aCapture(first.id)),
    ledger.capture(aCapture(first.id)),
    ledger.release(second.id),
  ]);
  const again = await Promise.all([ledger.hold(aHold(payer)), ledger.hold(aHold(payer)), ledger.hold(aHold(payer))]);
  expect(count(again, "held")).toBe(2);
});

test("tokens that were used are taken from the minute, and above it nothing more is let through", async () => {
  const payer = await aLimitedPayer({ tokensPerMinute: 1_000 });
  const ledger = await aLimitedLedger();
  const order = aHold(payer);
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id)); // 1 500 tokens
  expect(await ledger.hold(aHold(payer))).toMatchObject({ outcome: "tokens_per_minute" });
});

test("of 200 requests at once over two processes, those pass a limit of tokens that it has tokens for", async () => {
  const payer = await aLimitedPayer({ tokensPerMinute: 100 });
  const ledgers = [await aLimitedLedger(), await aLimitedLedger()];
  const orders = Array.from({ length: 200 }, () => aHold(payer, { amountNanoUsd: 1_000n, tokensBound: 60 }));
  const outcomes = await Promise.all(orders.map((order, n) => ledgers[n % 2]!.hold(order)));
  // The second one takes what is left, and what it took too much is waited for.
  expect(count(outcomes, "held")).toBe(2);
  expect(count(outcomes, "tokens_per_minute")).toBe(198);
  const refused = outcomes.find((each) => each.outcome === "tokens_per_minute") as { retryAfterMs: number };
  expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
});

test("what a request took of the minute and did not use comes back with its settlement, however it ends", async () => {
  const payer = await aLimitedPayer({ tokensPerMinute: 10_000 });
  const ledger = await aLimitedLedger({ ...limits, tokensPerMinute: 20_000 });
  const [charged, released] = [aHold(payer, { tokensBound: 8_000 }), aHold(payer, { tokensBound: 8_000 })];
  await ledger.hold(charged);
  expect(await ledger.hold(released)).toMatchObject({ outcome: "held", allowance: { tokens: { remaining: 0 } } });
  expect(await ledger.hold(aHold(payer))).toMatchObject({ outcome: "tokens_per_minute" });
  await ledger.capture(aCapture(charged.id)); // 1 500 tokens
  await ledger.capture(aCapture(charged.id));
  await ledger.release(released.id);
  const next = await ledger.hold(aHold(payer, { tokensBound: 0 }));
  const { remaining } = (next as Extract<HoldOutcome, { outcome: "held" }>).allowance!.tokens!;
  // A second gives 166 more.
  expect(remaining).toBeGreaterThanOrEqual(8_500);
  expect(remaining).toBeLessThan(10_000);
  const wallet = await db.prisma.allowance.findUniqueOrThrow({ where: { subjectId: payer.accountId } });
  expect(wallet.milliTokens).toBeGreaterThanOrEqual(18_500_000n);
});

test("a refusal by the user's limit gives the key's tokens back", async () => {
  const payer = await aLimitedPayer({ tokensPerMinute: 1_000 });
  const ledger = await aLimitedLedger({ ...limits, concurrentRequests: 1 });
  const order = aHold(payer, { tokensBound: 100 });
  await ledger.hold(order);
  expect((await ledger.hold(aHold(payer, { tokensBound: 700 }))).outcome).toBe("concurrent_requests");
  const key = await db.prisma.allowance.findUniqueOrThrow({ where: { subjectId: payer.apiKeyId } });
  expect(key.milliTokens).toBeGreaterThanOrEqual(900_000n);
  await ledger.release(order.id);
});

test("a daily budget covers what is spent and what is held, over any number of requests at once", async () => {
  const payer = await aLimitedPayer({ dailyBudgetNanoUsd: 5_000_000n });
  const ledgers = [await aLimitedLedger(), await aLimitedLedger()];
  const orders = Array.from({ length: 20 }, () => aHold(payer, { amountNanoUsd: 2_000_000n }));
  const outcomes = await Promise.all(orders.map((order, n) => ledgers[n % 2]!.hold(order)));
  expect(count(outcomes, "held")).toBe(2);
  expect(count(outcomes, "daily_budget")).toBe(18);
  for (const [n, { outcome }] of outcomes.entries()) {
    if (outcome === "held") await ledgers[0]!.capture(aCapture(orders[n]!.id, { costNanoUsd: 2_000_000n }));
  }
  // One million is left: as much as an answer that can be capped gets.
  expect(await ledgers[0]!.hold(aHold(payer, { amountNanoUsd: 3_000_000n, minAmountNanoUsd: 500_000n }))).toMatchObject(
    { outcome: "held", amountNanoUsd: 1_000_000n },
  );
});

test("a monthly budget is named when it is the one that is used up", async () => {
  const payer = await aLimitedPayer({ monthlyBudgetNanoUsd: 1_000n, dailyBudgetNanoUsd: 2_000_000n });
  const ledger = await aLimitedLedger();
  expect(await ledger.hold(aHold(payer, { amountNanoUsd: 2_000n }))).toEqual({ outcome: "monthly_budget" });
});

test("a user's limit counts over all keys, and a refusal by it takes nothing from the key", async () => {
  const payer = await aLimitedPayer({ requestsPerMinute: 100 });
  const ledger = await aLimitedLedger({ ...limits, concurrentRequests: 1 });
  const order = aHold(payer);
  expect((await ledger.hold(order)).outcome).toBe("held");
  expect((await ledger.hold(aHold(payer))).outcome).toBe("concurrent_requests");
  await ledger.release(order.id);
  expect(await db.prisma.allowance.findUnique({ where: { subjectId: payer.apiKeyId } })).toMatchObject({
    inFlight: 0,
    heldNanoUsd: 0n,
  });
});

test("a limit that is set while calls run leaves them alone", async () => {
  const payer = await aPayer(db);
  const ledger = await aLimitedLedger();
  const order = aHold(payer);
  await ledger.hold(order);
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { concurrentRequests: 1 } });
  expect((await ledger.hold(aHold(payer))).outcome).toBe("held");
  expect((await ledger.capture(aCapture(order.id))).didSettle).toBe(true);
  expect((await ledger.hold(aHold(payer))).outcome).toBe("concurrent_requests");
});
