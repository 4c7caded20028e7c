import { openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, dollar, type Payer } from "./testing/money.ts";
import { openInstance } from "./durability/instance.ts";
import { type Ledger } from "./ledger.ts";

/** As the server opens it: what is sent on one of its connections goes out before the answer to what was sent before. */
let pool: ReturnType<typeof openCallPool>;
let db: TestDatabase;
let ledger: Ledger;
let payer: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  pool = openCallPool(db.url, "ledger");
  ledger = aLedgerOf(pool, await openInstance(db));
  payer = await aPayer(db, { balanceNanoUsd: 1_000n * dollar });
});
afterEach(async () => {
  await ledger.idle();
  await pool.end();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
});

const walletOf = () => db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });

/** Ends the sessions that run batches, or have run the last one; answers how many there were. */
async function breakConnections(): Promise<number> {
  const { rowCount } = await db.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'SELECT ledger_%'`,
  );
  return rowCount ?? 0;
}

async function untilBatchWaits(): Promise<void> {
  for (;;) {
    const { rowCount } = await db.pool.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
         AND query LIKE 'SELECT ledger_%'`,
    );
    if (rowCount) return;
    await sleep(5);
  }
}

test("what gives a hold back does not overtake it where its connection breaks", async () => {
  for (let n = 0; n < 10; n++) {
    const other = await db.pool.connect();
    await other.query("BEGIN");
    await other.query("SELECT 1 FROM account FOR UPDATE");
    const order = aHold(payer);
    const held = ledger.hold(order);
    await untilBatchWaits();
    const released = ledger.release(order.id);
    await sleep(20);
    expect(await breakConnections()).toBe(1);
    await other.query("COMMIT");
    other.release();
    expect(await held).toMatchObject({ outcome: "held" });
    expect(await released).toMatchObject({ didSettle: true });
  }
  expect((await walletOf()).heldNanoUsd).toBe(0n);
  expect(await db.prisma.hold.count({ where: { state: "released" } })).toBe(10);
});

test("nor where the hold has to wait for its wallet, and the wallet is free a moment later", async () => {
  for (const lockedMs of [30, 45, 55, 60, 70, 90, 130]) {
    const other = await db.pool.connect();
    await other.query("BEGIN");
    await other.query("SELECT 1 FROM account FOR UPDATE");
    const order = aHold(payer);
    const held = ledger.hold(order);
    const released = ledger.release(order.id);
    await sleep(lockedMs);
    await other.query("COMMIT");
    other.release();
    expect(await held).toMatchObject({ outcome: "held" });
    expect(await released).toMatchObject({ didSettle: true });
  }
  expect((await walletOf()).heldNanoUsd).toBe(0n);
});

test("under load, and with its connections broken all the time, each call is charged once", async () => {
  const calls = 600;
  const settled: string[] = [];
  let broken = 0;
  let refused = 0;
  const breaking = (async () => {
    while (settled.length + refused < calls) {
      broken += await breakConnections();
      await sleep(15);
    }
  })();
  await Promise.all(
    Array.from({ length: 40 }, async () => {
      for (let n = 0; n < calls / 40; n++) {
        const order = aHold(payer);
        try {
          await ledger.hold(order);
        } catch {
          refused++;
          await untilDone(() => ledger.release(order.id));
          continue;
        }
        await untilDone(() => ledger.capture(aCapture(order.id)));
        settled.push(order.id);
      }
    }),
  );
  await breaking;
  expect(broken).toBeGreaterThan(5);
  expect(await db.prisma.charge.count()).toBe(settled.length);
  const wallet = await walletOf();
  expect(wallet.heldNanoUsd).toBe(0n);
  expect(wallet.balanceNanoUsd).toBe(1_000n * dollar - BigInt(settled.length) * aCapture("").costNanoUsd);
  expect(ledger.load()).toMatchObject({ holdsOpen: 0, queued: 0 });
}, 60_000);

/** As the spool does: again, until it is in. */
async function untilDone(settle: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await settle();
      return;
    } catch {
      await sleep(10);
    }
  }
}
