import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, dollar, type Payer } from "../testing/money.ts";
import { settleForTheDead } from "../durability/dead-processes.ts";
import { openInstance, type Instance } from "../durability/instance.ts";
import { type HoldOutcome, type Ledger } from "../ledger.ts";
import { openSpool, type Spool } from "../durability/spool.ts";

let db: TestDatabase;
let folder: string;
let pool: ReturnType<typeof openCallPool>;
let instance: Instance;
let ledger: Ledger;
let spool: Spool;
let payer: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  folder = mkdtempSync(path.join(tmpdir(), "reserves-"));
  pool = openCallPool(db.url, "ledger");
  instance = await openInstance(db);
  ledger = aLedgerOf(pool, instance);
  spool = openSpool(folder, instance.id, ledger, { writesAhead: true });
  payer = await aPayer(db, { balanceNanoUsd: 1_000n * dollar });
});
afterEach(async () => {
  await ledger.endReserves();
  await ledger.idle();
  await pool.end();
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

const amountNanoUsd = 10_000_000n;
const cost = aCapture("").costNanoUsd;
const isReserve = { dispatchedAt: null };
const reserveOf = () => db.prisma.hold.findFirst({ where: { ...isReserve, state: "open" } });
const walletOf = ({ accountId }: Payer) => db.prisma.account.findUniqueOrThrow({ where: { id: accountId } });

/** A call whose hold is placed, whichever way. */
async function begin(by = payer): Promise<{ id: string; outcome: HoldOutcome }> {
  const order = aHold(by, { amountNanoUsd });
  return { id: order.id, outcome: await spool.hold(order) };
}

/** Calls until there is a reserve to draw from; all of them are settled. */
async function untilBusy(by = payer): Promise<void> {
  for (;;) {
    const calls = await Promise.all(Array.from({ length: 12 }, () => begin(by)));
    await Promise.all(calls.map(({ id }) => spool.settle({ release: id })));
    const probe = aHold(by, { amountNanoUsd });
    const drawn = ledger.draw(probe);
    if (!drawn) continue;
    await ledger.place(drawn);
    await ledger.release(probe.id);
    return;
  }
}

/** A batch is under way, or has been the last thing that was asked. */
const breakConnections = async () =>
  (
    await db.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND query LIKE 'SELECT ledger_%'`,
    )
  ).rowCount ?? 0;

const endLease = () =>
  db.pool.query("UPDATE instance SET lease_until = now() - interval '1 s' WHERE id = $1", [instance.id]);

/** As of a process that is killed: nothing of its gets into the database any more. */
async function kill(): Promise<void> {
  // By both of its forms: a pool's own queries connect with a callback.
  pool.connect = ((done?: (error: Error) => void) =>
    done ? done(new Error("dead")) : Promise.reject(new Error("dead"))) as typeof pool.connect;
  await breakConnections();
  await endLease();
}

async function settleForIt(): Promise<{ adopted: number; reaped: number }> {
  const own = await openInstance(db);
  const heir = aLedgerOf(db.pool, own);
  const recall = () => Promise.resolve(null);
  const { adopted, reaped } = await settleForTheDead(db, {
    ledger: heir,
    spoolFolder: folder,
    ownInstanceId: own.id,
    recall,
  });
  await heir.idle();
  return { adopted, reaped };
}

test("a busy key's hold does not wait for the database, and all of it is in the books soon after", async () => {
  await untilBusy();
  const before = await db.prisma.hold.count();
  const other = await db.pool.connect();
  await other.query("BEGIN; LOCK TABLE account IN EXCLUSIVE MODE");
  const calls = await Promise.all(Array.from({ length: 20 }, () => begin()));
  expect(calls.map(({ outcome }) => outcome)).toEqual(
    Array(20).fill({ outcome: "held", amountNanoUsd, allowance: null }),
  );
  await Promise.all(calls.map(({ id }) => spool.settle({ capture: aCapture(id) })));
  await other.query("COMMIT");
  other.release();
  await spool.caughtUp();
  expect(await db.prisma.charge.count()).toBe(20);
  expect(await db.prisma.hold.count({ where: { id: { in: calls.map(({ id }) => id) }, state: "captured" } })).toBe(20);
  expect(await db.prisma.hold.count()).toBeGreaterThanOrEqual(before + 20);
  // What is left of the reserve is still set aside, and given back when nobody calls any more.
  expect((await walletOf(payer)).heldNanoUsd).toBe((await reserveOf())?.amountNanoUsd);
  await sleep(600);
  expect(await walletOf(payer)).toMatchObject({ balanceNanoUsd: 1_000n * dollar - 20n * cost, heldNanoUsd: 0n });
});

test("a wallet without much more than the reserve has none", async () => {
  const poor = await aPayer(db, { balanceNanoUsd: 300n * amountNanoUsd });
  for (let n = 0; n < 5; n++) {
    const calls = await Promise.all(Array.from({ length: 40 }, () => begin(poor)));
    expect(ledger.draw(aHold(poor, { amountNanoUsd }))).toBeNull();
    await Promise.all(calls.map(({ id }) => spool.settle({ release: id })));
  }
  expect(await db.prisma.hold.count({ where: isReserve })).toBe(0);
});

test.each([
  ["suspended", () => db.prisma.user.update({ where: { id: payer.userId }, data: { status: "suspended" } })],
  ["disabled", () => db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { status: "disabled" } })],
  ["limited", () => db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { requestsPerMinute: 1 } })],
])("who is %s while there is a reserve draws no more from it", async (_, change) => {
  await untilBusy();
  await change();
  const { id, outcome } = await begin();
  expect(outcome.outcome).toBe("held");
  await spool.settle({ release: id });
  await spool.caughtUp();
  expect(ledger.draw(aHold(payer, { amountNanoUsd }))).toBeNull();
  await ledger.idle();
  expect((await walletOf(payer)).heldNanoUsd).toBe(0n);
});

test("limits for everybody who has none of his own end it for all", async () => {
  const none = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
  const limits = { ...none, requestsPerMinute: null as number | null };
  ledger = aLedgerOf(pool, instance, { defaultLimits: () => limits });
  spool = openSpool(folder, instance.id, ledger, { writesAhead: true });
  await untilBusy();
  limits.requestsPerMinute = 1;
  expect(ledger.draw(aHold(payer, { amountNanoUsd }))).toBeNull();
  const outcomes = [await begin(), await begin()];
  expect(outcomes.map(({ outcome: { outcome } }) => outcome)).toEqual(["held", "requests_per_minute"]);
  await spool.settle({ release: outcomes[0]?.id ?? "" });
});

test("a hold that needs all of the wallet gets what is set aside for another key", async () => {
  await untilBusy();
  const id = "00000000-0000-4000-8000-000000000001";
  const names = { name: "other", prefix: "sk-cg-", lastFour: "0000", secretHash: Buffer.from("other") };
  await db.prisma.apiKey.create({ data: { id, userId: payer.userId, ...names } });
  const order = aHold({ ...payer, apiKeyId: id }, { amountNanoUsd: 1_000n * dollar });
  expect(await spool.hold(order)).toMatchObject({ outcome: "held", amountNanoUsd: 1_000n * dollar });
  await ledger.release(order.id);
});

test("what a dead process had drawn is charged exactly where it knew, else by evidence, and its reserve given back", async () => {
  await untilBusy();
  const other = await db.pool.connect();
  await other.query("BEGIN; LOCK TABLE account IN EXCLUSIVE MODE");
  const [known, given, open] = [await begin(), await begin(), await begin()];
  await spool.settle({ capture: aCapture(known.id) });
  await spool.settle({ release: given.id });
  await sleep(50);
  await kill();
  await other.query("ROLLBACK");
  other.release();
  expect(await db.prisma.hold.count({ where: { id: { in: [known.id, given.id, open.id] } } })).toBe(0);
  expect(await reserveOf()).not.toBeNull();
  // One open call, and what was set aside.
  expect(await settleForIt()).toEqual({ adopted: 2, reaped: 2 });
  const charges = await db.prisma.charge.findMany();
  expect(Object.fromEntries(charges.map(({ holdId, basis }) => [holdId, basis]))).toEqual({
    [known.id]: "exact",
    [open.id]: "orphan",
  });
  expect(await db.prisma.hold.count({ where: { state: "open" } })).toBe(0);
  expect((await walletOf(payer)).heldNanoUsd).toBe(0n);
  expect(readdirSync(folder)).toEqual([]);
});

test("what is drawn from a reserve that others took for a dead one's is charged all the same", async () => {
  await untilBusy();
  await endLease();
  await settleForIt();
  expect(await reserveOf()).toBeNull();
  const { id, outcome } = await begin();
  expect(outcome.outcome).toBe("held");
  await spool.settle({ capture: aCapture(id) });
  await spool.caughtUp();
  expect(await db.prisma.charge.findUnique({ where: { holdId: id } })).toMatchObject({ costNanoUsd: cost });
  expect(ledger.draw(aHold(payer, { amountNanoUsd }))).toBeNull();
});

test("where a batch of what was drawn fails, the settlements behind it bring it along", async () => {
  await untilBusy();
  const other = await db.pool.connect();
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM account FOR UPDATE");
  const { id } = await begin();
  // Longer than a batch waits for a lock.
  await sleep(2_300);
  const settled = spool.settle({ capture: aCapture(id) });
  await other.query("COMMIT");
  other.release();
  await settled;
  await spool.caughtUp();
  expect(await db.prisma.charge.findUnique({ where: { holdId: id } })).toMatchObject({ costNanoUsd: cost });
  expect(await spool.replay()).toBe(0);
  expect(await db.prisma.charge.count()).toBe(1);
}, 20_000);

test("under load, and with its connections broken all the time, each drawn call is charged once", async () => {
  await untilBusy();
  const calls = 1_500;
  const finished: string[] = [];
  let broken = 0;
  const state = { isRunning: true };
  const breaking = (async () => {
    while (state.isRunning) {
      broken += await breakConnections();
      await sleep(15);
    }
  })();
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let n = 0; n < calls / 20; n++) {
        const order = aHold(payer, { amountNanoUsd });
        try {
          await spool.hold(order);
        } catch {
          await spool.settle({ release: order.id });
          continue;
        }
        await sleep(Math.random() * 10);
        await spool.settle({ capture: aCapture(order.id) });
        finished.push(order.id);
      }
    }),
  );
  state.isRunning = false;
  await breaking;
  expect(broken).toBeGreaterThan(5);
  await expect.poll(() => spool.replay(), { timeout: 20_000 }).toBe(0);
  await ledger.endReserves();
  await ledger.idle();
  // What could not be given back is tried again after a second.
  await expect.poll(() => ledger.load(), { timeout: 5_000 }).toMatchObject({ holdsOpen: 0, queued: 0 });
  expect(await db.prisma.charge.count()).toBe(finished.length);
  await expect.poll(async () => (await walletOf(payer)).heldNanoUsd, { timeout: 5_000 }).toBe(0n);
  expect((await walletOf(payer)).balanceNanoUsd).toBe(1_000n * dollar - BigInt(finished.length) * cost);
  expect(await db.prisma.hold.count({ where: isReserve })).toBeGreaterThan(0);
}, 60_000);

test("a hold that shares its batch with settlements gets what is set aside, too", async () => {
  await untilBusy();
  const id = "00000000-0000-4000-8000-000000000001";
  const names = { name: "other", prefix: "sk-cg-", lastFour: "0000", secretHash: Buffer.from("other") };
  await db.prisma.apiKey.create({ data: { id, userId: payer.userId, ...names } });
  const drawn = await begin();
  await spool.settle({ capture: aCapture(drawn.id) });
  ledger.hurry();
  const order = aHold({ ...payer, apiKeyId: id }, { amountNanoUsd: 1_000n * dollar - cost });
  expect(await spool.hold(order)).toMatchObject({ outcome: "held", amountNanoUsd: order.amountNanoUsd });
  await ledger.release(order.id);
});

test("what was drawn from a reserve that this state of the database does not know is left alone", async () => {
  await untilBusy();
  const other = await db.pool.connect();
  await other.query("BEGIN; LOCK TABLE account IN EXCLUSIVE MODE");
  const { id } = await begin();
  await spool.settle({ release: id });
  await sleep(50);
  await kill();
  await other.query("ROLLBACK");
  other.release();
  // As in a backup from before.
  const { rows } = await db.pool.query<{ account_id: string; amount: string }>(
    "DELETE FROM hold WHERE dispatched_at IS NULL AND state = 'open' RETURNING account_id, amount_nano_usd AS amount",
  );
  await db.pool.query("UPDATE account SET held_nano_usd = 0 WHERE id = $1", [rows[0]?.account_id]);
  expect(await settleForIt()).toEqual({ adopted: 0, reaped: 0 });
  expect(await db.prisma.hold.findUnique({ where: { id } })).toBeNull();
});
