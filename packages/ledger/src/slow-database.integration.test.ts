import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase, openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, dollar, type Payer } from "./testing/money.ts";
import { openInstance } from "./durability/instance.ts";
import { LedgerSlowError, QueueFullError, type HoldOrder, type Ledger } from "./ledger.ts";

let db: TestDatabase;
let ledger: Ledger;
let pool: ReturnType<typeof openCallPool>;
let payer: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  pool = openCallPool(db.url, "ledger");
  ledger = aLedgerOf(pool, await openInstance(db));
  payer = await aPayer(db);
});
afterEach(async () => {
  await ledger.idle();
  await pool.end();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

const walletOf = () => db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });

async function lockWallet() {
  const other = await db.pool.connect();
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM account FOR UPDATE");
  return async () => {
    await other.query("COMMIT");
    other.release();
  };
}

/** How long it took until the hold was refused, and as what. */
async function refusalOf(hold: Promise<unknown>) {
  const startedAtMs = Date.now();
  const error: unknown = await hold.then(
    () => null,
    (reason: unknown) => reason,
  );
  return { error, afterMs: Date.now() - startedAtMs };
}

test("while the wallet is locked by somebody else, each hold is refused after a short while, and nothing of it stands", async () => {
  const unlock = await lockWallet();
  const holds = Array.from({ length: 4 }, () => aHold(payer));
  const [first, second, third, last] = holds as [HoldOrder, HoldOrder, HoldOrder, HoldOrder];
  const refusals = [refusalOf(ledger.hold(first))];
  for (const hold of [second, third]) {
    await sleep(150);
    refusals.push(refusalOf(ledger.hold(hold)));
  }
  await expect.poll(() => ledger.load().contended).toBeGreaterThan(0);
  refusals.push(refusalOf(ledger.hold(last)));
  const refused = await Promise.all(refusals);
  for (const { afterMs } of refused) {
    expect(afterMs).toBeGreaterThan(900);
    expect(afterMs).toBeLessThan(3_000);
  }
  // Of the first one nobody knows; the last one never left the queue of the locked account.
  expect(refused[0]?.error).toBeInstanceOf(LedgerSlowError);
  expect(refused.at(-1)?.error).toBeInstanceOf(QueueFullError);
  await expect.poll(() => ledger.load()).toMatchObject({ queued: 0, contended: 0 });
  await ledger.idle();
  await unlock();
  await Promise.all(holds.map(({ id }) => ledger.release(id)));
  expect(ledger.load().holdsOpen).toBe(0);
  expect(await db.prisma.hold.count()).toBe(0);
  expect(await ledger.hold(aHold(payer, { amountNanoUsd: dollar }))).toMatchObject({ outcome: "held" });
  expect((await walletOf()).heldNanoUsd).toBe(dollar);
});

test("of those who wait while the database stalls, only who has waited a second is refused", async () => {
  const unlock = await lockWallet();
  const first = aHold(payer, { amountNanoUsd: 1n });
  const refused = refusalOf(ledger.hold(first));
  await sleep(700);
  const second = ledger.hold(aHold(payer, { amountNanoUsd: 2n }));
  await sleep(600);
  await unlock();
  expect((await refused).error).toBeInstanceOf(LedgerSlowError);
  expect(await second).toMatchObject({ outcome: "held" });
  // What was refused may stand, and is given back.
  await ledger.release(first.id);
  expect((await walletOf()).heldNanoUsd).toBe(2n);
});

test("a settlement whose connection freezes is sent again on another one and charges once", async () => {
  const order = aHold(payer);
  await ledger.hold(order);
  const outside = openDatabase(db.url, { maxConnections: 1 });
  const { rows } = await outside.pool.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT ledger_%'",
  );
  await outside.close();
  const pids = rows.map(({ pid }) => pid);
  expect(pids).toHaveLength(1);
  process.kill(pids[0]!, "SIGSTOP");
  const awake = sleep(8_000).then(() => process.kill(pids[0]!, "SIGCONT"));
  try {
    // Whoever takes the frozen connection first waits for it.
    const startedAtMs = Date.now();
    expect(await ledger.capture(aCapture(order.id))).toEqual({ didSettle: true, paidNanoUsd: 2_000_000n });
    expect(Date.now() - startedAtMs).toBeGreaterThan(4_900);
    expect(Date.now() - startedAtMs).toBeLessThan(8_000);
    await awake;
    await sleep(500);
    expect((await walletOf()).balanceNanoUsd).toBe(dollar - 2_000_000n);
  } finally {
    await awake;
  }
});
