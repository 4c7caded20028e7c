import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { openDatabase } from "@codex-gateway/db";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aLedger, aPayer, breachesIn, dollar, type Payer } from "./testing/money.ts";
import { adjustBalance } from "./credit.ts";
import { type Ledger } from "./ledger.ts";

let db: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
});
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

const accountOf = (payer: Payer) => db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });

test("a hold takes money aside, its capture takes the cost and gives back the rest", async () => {
  const payer = await aPayer(db);
  const order = aHold(payer);
  expect(await ledger.hold(order)).toEqual({ outcome: "held", amountNanoUsd: dollar / 10n, allowance: null });
  expect(await accountOf(payer)).toMatchObject({ balanceNanoUsd: dollar, heldNanoUsd: dollar / 10n });
  expect(await ledger.capture(aCapture(order.id))).toEqual({ didSettle: true, paidNanoUsd: 2_000_000n });
  expect(await accountOf(payer)).toMatchObject({ balanceNanoUsd: dollar - 2_000_000n, heldNanoUsd: 0n, seq: 2n });
});

test("a release gives all of it back and charges nothing", async () => {
  const payer = await aPayer(db);
  const order = aHold(payer);
  await ledger.hold(order);
  expect(await ledger.release(order.id)).toEqual({ didSettle: true, paidNanoUsd: 0n });
  expect(await accountOf(payer)).toMatchObject({ balanceNanoUsd: dollar, heldNanoUsd: 0n });
  expect(await db.prisma.charge.count({ where: { accountId: payer.accountId } })).toBe(0);
});

test("each value of a hold and of its settlement arrives in its own column", async () => {
  const payer = await aPayer(db);
  const { id, ...order } = aHold(payer, { endpoint: "responses", model: "asked", inputTokensBound: 99 });
  const [other, upstreamId] = [aHold(payer), randomUUID()];
  const settled = {
    usage: { input: 11, cached_input: 22, output: 7 },
    basis: "observed" as const,
    flags: ["clamped", "broke_off"],
    servedModel: "served",
    serviceTier: "flex",
    upstreamId,
    upstreamRequestId: "req-1",
    upstreamResponseId: "resp-1",
    status: 201,
    isStream: true,
    timeToFirstByteMs: 55,
    latencyMs: 66,
  };
  await Promise.all([ledger.hold({ id, ...order }), ledger.hold(other)]);
  const { accountId, apiKeyId, priceVersionId, endpoint, model } = order;
  const [hold, unsettled] = await Promise.all(
    [id, other.id].map((each) => db.prisma.hold.findUniqueOrThrow({ where: { id: each } })),
  );
  const ordered = { accountId, apiKeyId, priceVersionId, endpoint, model };
  expect(hold).toMatchObject({ ...ordered, amountNanoUsd: order.amountNanoUsd, inputTokensBound: 99n, state: "open" });
  expect(unsettled).toMatchObject({ model: "test-model", instanceId: hold?.instanceId });
  await Promise.all([ledger.release(other.id), ledger.capture(aCapture(id, { ...settled, costNanoUsd: 47_000n }))]);
  const charge = await db.prisma.charge.findUniqueOrThrow({ where: { holdId: id } });
  expect(charge).toMatchObject({ ...ordered, ...settled, costNanoUsd: 47_000n });
  const [roll] = await db.prisma.usageRollup.findMany({ where: { accountId } });
  expect(roll).toMatchObject({ apiKeyId, model: "asked", requests: 1n, inputTokens: 33n, outputTokens: 7n });
  expect(roll?.costNanoUsd).toBe(47_000n);
});

test("of a batch, what costs nothing has no entry, wherever it stands", async () => {
  const [one, two] = [await aPayer(db), await aPayer(db)];
  const payers = [one, two, one, one, two, two, one];
  const orders = payers.map((payer) => aHold(payer, { amountNanoUsd: 3_000_000n }));
  await Promise.all(orders.map((order) => ledger.hold(order)));
  const free = { costNanoUsd: 0n, usage: { input: 0, output: 0 } };
  const outcomes = await Promise.all(
    orders.map(({ id }, n) => (n === 0 ? ledger.release(id) : ledger.capture(aCapture(id, n % 2 === 1 ? free : {})))),
  );
  expect(outcomes.map(({ paidNanoUsd }) => paidNanoUsd / 2_000_000n)).toEqual([0n, 0n, 1n, 0n, 1n, 0n, 1n]);
  expect(await accountOf(one)).toMatchObject({ balanceNanoUsd: dollar - 4_000_000n, heldNanoUsd: 0n, seq: 3n });
  expect(await accountOf(two)).toMatchObject({ balanceNanoUsd: dollar - 2_000_000n, heldNanoUsd: 0n, seq: 2n });
});

test("settling twice, in one batch or in two, charges once", async () => {
  const payer = await aPayer(db);
  const order = aHold(payer);
  await ledger.hold(order);
  const outcomes = await Promise.all([ledger.capture(aCapture(order.id)), ledger.capture(aCapture(order.id))]);
  outcomes.push(await ledger.capture(aCapture(order.id)), await ledger.release(order.id));
  expect(outcomes.map(({ didSettle }) => didSettle)).toEqual([true, false, false, false]);
  expect((await accountOf(payer)).balanceNanoUsd).toBe(dollar - 2_000_000n);
});

test("the same hold sent again is answered as it stands and holds once", async () => {
  const payer = await aPayer(db);
  const order = aHold(payer);
  expect(await ledger.hold(order)).toEqual(await ledger.hold(order));
  expect((await accountOf(payer)).heldNanoUsd).toBe(dollar / 10n);
  await ledger.release(order.id);
  expect(await ledger.hold(order)).toEqual({ outcome: "settled" });
});

test("200 parallel holds on money for 10: exactly 10 are held, with one ledger and with two", async () => {
  for (const count of [1, 2]) {
    const payer = await aPayer(db);
    const others = Array.from({ length: count }, () => openDatabase(db.url, { maxConnections: 2 }));
    const instance = await db.prisma.instance.findFirstOrThrow();
    const ledgers = others.map(({ pool }) => aLedgerOf(pool, instance));
    const orders = Array.from({ length: 200 }, () => aHold(payer));
    const outcomes = await Promise.all(orders.map((order, n) => ledgers[n % count]!.hold(order)));
    expect(outcomes.filter(({ outcome }) => outcome === "held")).toHaveLength(10);
    expect(outcomes.filter(({ outcome }) => outcome === "insufficient")).toHaveLength(190);
    expect(await accountOf(payer)).toMatchObject({ balanceNanoUsd: dollar, heldNanoUsd: dollar });
    await Promise.all(orders.map((order) => ledgers[0]!.release(order.id)));
    await Promise.all(others.map((other) => other.close()));
  }
});

test("a hold whose output can be capped takes what is left, down to its least", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 70n });
  expect(await ledger.hold(aHold(payer, { amountNanoUsd: 100n, minAmountNanoUsd: 71n }))).toEqual({
    outcome: "insufficient",
  });
  const order = aHold(payer, { amountNanoUsd: 100n, minAmountNanoUsd: 10n });
  expect(await ledger.hold(order)).toEqual({ outcome: "held", amountNanoUsd: 70n, allowance: null });
  await ledger.release(order.id);
});

test("what exceeds hold and free balance becomes a debt that stops new holds until money comes in", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 1_500_000n });
  const order = aHold(payer, { amountNanoUsd: 1_000_000n });
  await ledger.hold(order);
  expect(await ledger.capture(aCapture(order.id))).toEqual({ didSettle: true, paidNanoUsd: 1_500_000n });
  const debt = () =>
    db.prisma.account.findUniqueOrThrow({ where: { userId_kind: { userId: payer.userId, kind: "receivable" } } });
  expect((await debt()).balanceNanoUsd).toBe(500_000n);
  expect(await ledger.hold(aHold(payer, { amountNanoUsd: 0n }))).toEqual({ outcome: "insufficient" });
  const topUp = {
    accountId: payer.accountId,
    amountNanoUsd: dollar,
    source: "test",
    isPaid: true,
    note: "",
    actorId: null,
  };
  expect(await adjustBalance(db, { ...topUp, sourceId: randomUUID() })).toBe("credited");
  expect((await debt()).balanceNanoUsd).toBe(0n);
  expect((await accountOf(payer)).balanceNanoUsd).toBe(dollar - 500_000n);
});

test("a suspended user and a disabled key hold nothing", async () => {
  const payer = await aPayer(db);
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { status: "disabled" } });
  expect(await ledger.hold(aHold(payer))).toEqual({ outcome: "key_disabled" });
  await db.prisma.user.update({ where: { id: payer.userId }, data: { status: "suspended" } });
  expect(await ledger.hold(aHold(payer))).toEqual({ outcome: "user_suspended" });
});

test("another user's key cannot hold on a wallet", async () => {
  const [payer, stranger] = [await aPayer(db), await aPayer(db)];
  expect(await ledger.hold(aHold(payer, { apiKeyId: stranger.apiKeyId }))).toEqual({ outcome: "key_disabled" });
});

test("100 parallel credits of one source count once; taking more than is free is refused", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 0n });
  const credit = { accountId: payer.accountId, source: "form", isPaid: true, note: "", actorId: null };
  const once = { ...credit, amountNanoUsd: dollar, sourceId: randomUUID() };
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => adjustBalance(db, once)));
  expect(outcomes.filter((outcome) => outcome === "credited")).toHaveLength(1);
  const order = aHold(payer);
  await ledger.hold(order);
  const all = { ...credit, amountNanoUsd: -dollar, sourceId: randomUUID() };
  expect(await adjustBalance(db, all)).toBe("below_zero");
  await ledger.release(order.id);
  expect(await adjustBalance(db, all)).toBe("credited");
  expect((await accountOf(payer)).balanceNanoUsd).toBe(0n);
});

test("many users, many requests at once: everything is charged once and the roll-up says the same", async () => {
  const payers = await Promise.all(Array.from({ length: 5 }, () => aPayer(db)));
  const orders = payers.flatMap((payer) =>
    Array.from({ length: 40 }, () => aHold(payer, { amountNanoUsd: 3_000_000n })),
  );
  await Promise.all(
    orders.map(async (order) => {
      await ledger.hold(order);
      await ledger.capture(aCapture(order.id));
    }),
  );
  for (const payer of payers) {
    expect((await accountOf(payer)).balanceNanoUsd).toBe(dollar - 40n * 2_000_000n);
    const rolls = await db.prisma.usageRollup.findMany({ where: { accountId: payer.accountId } });
    expect(rolls.reduce((sum, roll) => sum + roll.requests, 0n)).toBe(40n);
    expect(rolls.reduce((sum, roll) => sum + roll.costNanoUsd, 0n)).toBe(40n * 2_000_000n);
  }
});

test("whatever shares a batch (dear answers, releases, repeats, limited keys), each comes to its own and the books are sound", async () => {
  const payers = await Promise.all(Array.from({ length: 4 }, () => aPayer(db, { balanceNanoUsd: dollar / 10n })));
  await db.prisma.apiKey.update({ where: { id: payers[0]!.apiKeyId }, data: { concurrentRequests: 5 } });
  const paid = new Map(payers.map(({ accountId }) => [accountId, 0n]));
  const call = async (payer: Payer, n: number) => {
    const order = aHold(payer, { amountNanoUsd: 3_000_000n, minAmountNanoUsd: n % 3 === 0 ? 1n : null });
    if ((await ledger.hold(order)).outcome !== "held") return;
    // Every seventh answer costs ten times what was held for it, every fifth call is given back.
    const input = n % 7 === 0 ? 30_000 : n;
    const capture = aCapture(order.id, { costNanoUsd: BigInt(input) * 1_000n, usage: { input, output: 0 } });
    const outcomes = await Promise.all([
      n % 5 === 0 ? ledger.release(order.id) : ledger.capture(capture),
      ...(n % 4 === 0 ? [ledger.capture(capture)] : []),
    ]);
    expect(outcomes.map(({ didSettle }) => didSettle)).toEqual([true, false].slice(0, outcomes.length));
    paid.set(payer.accountId, paid.get(payer.accountId)! + outcomes[0].paidNanoUsd);
  };
  await Promise.all(Array.from({ length: 160 }, (_, n) => call(payers[n % 4]!, n)));
  for (const payer of payers) {
    const { balanceNanoUsd, heldNanoUsd } = await accountOf(payer);
    expect({ balanceNanoUsd, heldNanoUsd }).toEqual({
      balanceNanoUsd: dollar / 10n - paid.get(payer.accountId)!,
      heldNanoUsd: 0n,
    });
    expect(paid.get(payer.accountId)).toBeGreaterThan(0n);
  }
  const left = await db.prisma.allowance.findMany({
    where: { subjectId: { in: payers.map((each) => each.apiKeyId) } },
  });
  expect(left.map(({ inFlight, heldNanoUsd }) => ({ inFlight, heldNanoUsd }))).toEqual([
    { inFlight: 0, heldNanoUsd: 0n },
  ]);
});
