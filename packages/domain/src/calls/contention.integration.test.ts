/** Somebody else keeps rows of one wallet locked: only that one's calls wait, or are refused. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { adjustBalance, openInstance, type Ledger } from "@codex-gateway/ledger";
import { refundCharge } from "./refund.ts";

let pool: ReturnType<typeof openCallPool>;
let db: TestDatabase;
let ledger: Ledger;
let locked: Payer;
let other: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  pool = openCallPool(db.url, "ledger");
  ledger = aLedgerOf(pool, await openInstance(db));
  [locked, other] = [await aPayer(db, { balanceNanoUsd: 100n * dollar }), await aPayer(db)];
});
afterEach(async () => {
  await ledger.idle();
  await pool.end();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

const walletOf = ({ accountId }: Payer) => db.prisma.account.findUniqueOrThrow({ where: { id: accountId } });

/** As psql does that is left open. */
async function lock(sql: string, values: unknown[]) {
  const client = await db.pool.connect();
  await client.query("BEGIN");
  await client.query("SET LOCAL idle_in_transaction_session_timeout = 0");
  await client.query(sql, values);
  return async () => {
    await client.query("COMMIT");
    client.release();
  };
}
const lockWalletOf = ({ accountId }: Payer) => lock("SELECT 1 FROM account WHERE id = $1 FOR UPDATE", [accountId]);

/** Whole calls of the other one, one after another, while `until` is not over; the longest of them, in milliseconds. */
async function callsOfOther(until: Promise<unknown>): Promise<{ calls: number; longestMs: number }> {
  const state = { isOver: false };
  const ending = until.then(() => (state.isOver = true));
  let [calls, longestMs] = [0, 0];
  while (!state.isOver) {
    const startedAtMs = performance.now();
    const order = aHold(other, { amountNanoUsd: 3_000_000n });
    expect(await ledger.hold(order)).toMatchObject({ outcome: "held" });
    await ledger.capture(aCapture(order.id, { costNanoUsd: 0n, usage: {} }));
    longestMs = Math.max(longestMs, performance.now() - startedAtMs);
    calls++;
    await sleep(5);
  }
  await ending;
  return { calls, longestMs };
}

const outcomeOf = (work: Promise<{ outcome: string }>) =>
  work.then(
    ({ outcome }) => outcome,
    (error: unknown) => (error as Error).name,
  );

/** The locked one's calls, that go on all the time. */
async function callsOfLocked(forMs: number): Promise<string[]> {
  const outcomes: Promise<string>[] = [];
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    const order = aHold(locked, { amountNanoUsd: 1n });
    const held = ledger.hold(order);
    outcomes.push(outcomeOf(held));
    held
      .then(
        () => ledger.release(order.id),
        () => ledger.release(order.id),
      )
      .catch(() => undefined);
    await sleep(20);
  }
  return Promise.all(outcomes);
}

test("a wallet that is locked for seconds keeps its own calls alone", async () => {
  const [settled, open] = [aHold(locked), aHold(locked)];
  await Promise.all([ledger.hold(settled), ledger.hold(open)]);
  const unlock = await lockWalletOf(locked);
  const charged = Promise.all([ledger.capture(aCapture(settled.id)), ledger.release(open.id)]);
  const state = { isCharged: false };
  const charging = charged.then(() => (state.isCharged = true));
  const refused = callsOfLocked(4_000);
  const { calls, longestMs } = await callsOfOther(refused);
  expect(calls).toBeGreaterThan(20);
  expect(longestMs).toBeLessThan(1_500);
  expect(new Set(await refused)).toEqual(new Set(["LedgerSlowError", "QueueFullError"]));
  expect([state.isCharged, ledger.load().contended > 0]).toEqual([false, true]);
  await unlock();
  await charging;
  expect((await charged).map(({ didSettle }) => didSettle)).toEqual([true, true]);
  await ledger.idle();
  const wallet = await walletOf(locked);
  expect([wallet.heldNanoUsd, wallet.balanceNanoUsd]).toEqual([0n, 100n * dollar - 2_000_000n]);
  expect(ledger.load()).toMatchObject({ queued: 0, contended: 0 });
  expect(await ledger.hold(aHold(locked))).toMatchObject({ outcome: "held" });
}, 30_000);

describe.each<[string, (payer: Payer) => Promise<() => Promise<void>>]>([
  [
    "an allowance",
    async ({ apiKeyId }) => {
      await db.prisma.apiKey.update({ where: { id: apiKeyId }, data: { requestsPerMinute: 10_000 } });
      await ledger.hold(aHold(locked, { amountNanoUsd: 1n }));
      return lock("SELECT 1 FROM allowance WHERE subject_id = $1 FOR UPDATE", [apiKeyId]);
    },
  ],
  [
    "a debt",
    async (payer) => {
      const order = aHold(payer, { amountNanoUsd: 1n });
      await ledger.hold(order);
      // A token more than the wallet holds.
      await ledger.capture(aCapture(order.id, { costNanoUsd: 100n * dollar + 1_000n, usage: { input: 100_000_001 } }));
      return lock("SELECT 1 FROM account WHERE user_id = $1 AND kind = 'receivable' FOR UPDATE", [payer.userId]);
    },
  ],
])("where %s of one user is locked", (_what, lockRow) => {
  test("the others' calls go on", async () => {
    const unlock = await lockRow(locked);
    const late = callsOfLocked(2_000);
    const { calls, longestMs } = await callsOfOther(late);
    expect(calls).toBeGreaterThan(10);
    expect(longestMs).toBeLessThan(1_500);
    await late;
    await unlock();
    await ledger.idle();
    expect(ledger.load()).toMatchObject({ contended: 0 });
  });
});

test("where rows are locked that nobody is asked about, the account is found by halves", async () => {
  const order = aHold(locked);
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id));
  const unlock = await lock("SELECT 1 FROM usage_rollup WHERE account_id = $1 FOR UPDATE", [locked.accountId]);
  const payers = [locked, other, ...(await Promise.all(Array.from({ length: 5 }, () => aPayer(db))))];
  const orders = payers.map((payer) => aHold(payer));
  await Promise.all(orders.map((each) => ledger.hold(each)));
  const settled: string[] = [];
  const all = orders.map(({ id }) => ledger.capture(aCapture(id)).then(() => settled.push(id)));
  await expect.poll(() => settled.length, { timeout: 5_000 }).toBe(payers.length - 1);
  expect(settled).not.toContain(orders[0]!.id);
  const { calls } = await callsOfOther(sleep(1_000));
  expect(calls).toBeGreaterThan(5);
  await unlock();
  await Promise.all(all);
});

test("sixty top-ups of one user at once, beside calls and refunds of the same wallet, all go through", async () => {
  const refundable = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const order = aHold(locked, { amountNanoUsd: dollar });
      await ledger.hold(order);
      await ledger.capture(aCapture(order.id, { basis: "estimate" }));
      return order.id;
    }),
  );
  const adjust = (amountNanoUsd: bigint, source = "test") =>
    adjustBalance(db, {
      accountId: locked.accountId,
      amountNanoUsd,
      source,
      sourceId: randomUUID(),
      isPaid: true,
      note: "",
      actorId: null,
    });
  const call = async () => {
    const order = aHold(locked, { amountNanoUsd: 10_000_000n });
    const { outcome } = await ledger.hold(order);
    await ledger.capture(aCapture(order.id));
    return outcome;
  };
  const actor = { userId: null, email: null, address: "" };
  const before = (await walletOf(locked)).balanceNanoUsd;
  const busy = Promise.all([
    ...Array.from({ length: 60 }, () => adjust(dollar)),
    ...Array.from({ length: 20 }, () => adjust(-dollar / 100n)),
    ...Array.from({ length: 40 }, call),
    ...refundable.map((requestId) => refundCharge(db, { requestId, actor }).then(() => "refunded")),
  ]);
  const { longestMs } = await callsOfOther(busy);
  expect(new Set(await busy)).toEqual(new Set(["credited", "held", "refunded"]));
  expect(longestMs).toBeLessThan(1_500);
  const cost = aCapture("").costNanoUsd;
  expect((await walletOf(locked)).balanceNanoUsd).toBe(before + 60n * dollar - 20n * (dollar / 100n) - 30n * cost);
}, 30_000);

test("a hold that is refused while it waits for its wallet never stands, whatever becomes free when", async () => {
  for (let n = 0; n < 5; n++) {
    const unlock = await lockWalletOf(locked);
    const orders = Array.from({ length: 8 }, () => aHold(locked));
    const held = orders.map((order) => outcomeOf(ledger.hold(order)));
    const released = orders.map((order, at) =>
      held[at]!.then((outcome) => (outcome === "held" ? null : ledger.release(order.id))),
    );
    await sleep(850 + 60 * n);
    await unlock();
    const outcomes = await Promise.all(held);
    await Promise.all(released);
    await ledger.idle();
    await expect
      .poll(() => db.prisma.hold.count({ where: { accountId: locked.accountId, state: "open" } }))
      .toBe(outcomes.filter((outcome) => outcome === "held").length);
    const open = orders.filter((_order, at) => outcomes[at] === "held");
    await Promise.all(open.map(({ id }) => ledger.release(id)));
  }
  expect((await walletOf(locked)).heldNanoUsd).toBe(0n);
}, 30_000);
