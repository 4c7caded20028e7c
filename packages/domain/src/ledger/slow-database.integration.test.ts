import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aCapture, aHold, aLedger, aPayer, breachesIn, dollar, type Payer } from "../testing/money.ts";
import { QueueFullError } from "./group-commit.ts";
import { LedgerSlowError, type Ledger } from "./ledger.ts";

let db: TestDatabase;
let ledger: Ledger;
let payer: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
  payer = await aPayer(db);
});
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

const walletOf = () => db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });

test("while the wallet is locked by somebody else, a hold is refused after a second and the next ones at once", async () => {
  const other = await db.pool.connect();
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM account FOR UPDATE");
  const [first, second] = [aHold(payer), aHold(payer)];
  const startedAtMs = Date.now();
  await expect(ledger.hold(first)).rejects.toThrow(LedgerSlowError);
  const firstAfterMs = Date.now() - startedAtMs;
  await expect(ledger.hold(second)).rejects.toThrow(QueueFullError);
  expect(firstAfterMs).toBeGreaterThan(900);
  expect(Date.now() - startedAtMs - firstAfterMs).toBeLessThan(200);
  // The batch itself gives the lock up after two seconds; nothing of it stands.
  await ledger.idle();
  await other.query("COMMIT");
  other.release();
  await ledger.release(first.id);
  expect(ledger.load().holdsOpen).toBe(0);
  expect(await ledger.hold(aHold(payer, { amountNanoUsd: dollar }))).toMatchObject({ outcome: "held" });
  expect((await walletOf()).heldNanoUsd).toBe(dollar);
});

test("a settlement whose connection freezes is sent again on another one and charges once", async () => {
  const order = aHold(payer);
  await ledger.hold(order);
  const outside = openDatabase(db.url, { maxConnections: 1 });
  const { rows } = await outside.pool.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT * FROM ledger_batch(%'",
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
