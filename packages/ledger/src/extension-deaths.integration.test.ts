/** Holds that are extended, and what can come between: a death, a lost connection, a settlement, a second extension. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCallPool } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createCheckpoints } from "./durability/checkpoints.ts";
import { settleForTheDead } from "./durability/dead-processes.ts";
import { openInstance, type Instance } from "./durability/instance.ts";
import { openSpool, type Spool } from "./durability/spool.ts";
import type { Extension, HoldOrder, Ledger } from "./ledger.ts";
import { aCapture, aHold, aLedger, aLedgerOf, aPayer, breachesIn, dollar, type Payer } from "./testing/money.ts";

let db: TestDatabase;
let folder: string;
let payer: Payer;
const pools: ReturnType<typeof openCallPool>[] = [];
beforeEach(async () => {
  db = await createTestDatabase();
  folder = mkdtempSync(path.join(tmpdir(), "extensions-"));
  payer = await aPayer(db);
});
afterEach(async () => {
  // That of a process that was killed in the middle never ends: its orders wait for a connection.
  for (const pool of pools.splice(0)) pool.end().catch(() => undefined);
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

type Process = { instance: Instance; ledger: Ledger; spool: Spool; pool: ReturnType<typeof openCallPool> };

async function aProcess(writesAhead: boolean): Promise<Process> {
  const instance = await openInstance(db);
  const pool = openCallPool(db.url, "ledger");
  pools.push(pool);
  const ledger = aLedgerOf(pool, instance);
  return { instance, ledger, spool: openSpool(folder, instance.id, ledger, { writesAhead }), pool };
}

/** Nothing of its gets into the database any more. */
async function kill({ instance, pool }: Process): Promise<void> {
  pool.connect = () => new Promise(() => undefined);
  await endBatches();
  await db.pool.query("UPDATE instance SET lease_until = now() - interval '1 s' WHERE id = $1", [instance.id]);
}

const endBatches = () =>
  db.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'SELECT ledger_%'`,
  );

async function settleAsHeir(): Promise<void> {
  const own = await openInstance(db);
  const ledger = aLedgerOf(db.pool, own);
  const recall = () => Promise.resolve(null);
  const settled = await settleForTheDead(db, { ledger, spoolFolder: folder, ownInstanceId: own.id, recall });
  expect(settled.errors).toEqual([]);
  await ledger.idle();
}

const upTo = (order: HoldOrder, amountNanoUsd: bigint): Extension => ({
  id: order.id,
  accountId: order.accountId,
  apiKeyId: order.apiKeyId,
  amountNanoUsd,
  tokensBound: 10_000,
});

const wallet = async () => {
  const { balanceNanoUsd, heldNanoUsd } = await db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });
  return { spent: dollar - balanceNanoUsd, heldNanoUsd };
};
const chargeOf = ({ id }: HoldOrder) => db.prisma.charge.findUnique({ where: { holdId: id } });
const heldBy = async ({ id }: HoldOrder) => (await db.prisma.hold.findUniqueOrThrow({ where: { id } })).amountNanoUsd;

/** 100 tokens of its input, and as many of output as the checkpoint says, at 1,000 and 2,000 nano-USD each. */
async function seen({ id }: HoldOrder, observedOutputTokens: number): Promise<void> {
  createCheckpoints(db).note({ id, observedOutputTokens, estimatedInputTokens: 100, upstreamResponseId: null });
  const read = () => db.prisma.hold.findUniqueOrThrow({ where: { id } });
  const written = async () => Number((await read()).observedOutputTokens);
  await expect.poll(written, { timeout: 20_000 }).toBe(observedOutputTokens);
}

/** Until the key's holds are taken of a pooled one, so that the next one is in the log alone. */
async function untilPooled({ spool, ledger }: Process): Promise<void> {
  for (;;) {
    const orders = Array.from({ length: 12 }, () => aHold(payer, { amountNanoUsd: 300_000n }));
    await Promise.all(orders.map((order) => spool.hold(order)));
    await Promise.all(orders.map(({ id }) => spool.settle({ release: id })));
    const drawn = ledger.draw(aHold(payer, { amountNanoUsd: 300_000n }));
    if (!drawn) continue;
    await ledger.place(drawn);
    await ledger.release(drawn.hold.id);
    return;
  }
}

describe.each([true, false])("a process with a log of its settlements: %s", (writesAhead) => {
  test("killed between an extension and the capture, is settled within what was extended", async () => {
    const process = await aProcess(writesAhead);
    const order = aHold(payer, { amountNanoUsd: 300_000n });
    await process.spool.hold(order);
    expect(await process.ledger.extend(upTo(order, 900_000n))).toMatchObject({ outcome: "held" });
    await seen(order, 350);
    await kill(process);
    await settleAsHeir();
    // Above the first slice, 100 tokens of output, and within the second, 400.
    expect(await chargeOf(order)).toMatchObject({ basis: "orphan", costNanoUsd: 800_000n });
    expect(await wallet()).toEqual({ spent: 800_000n, heldNanoUsd: 0n });
  });

  test("killed with more output seen than it is held for, is settled for all that was held, and for no more", async () => {
    const process = await aProcess(writesAhead);
    const order = aHold(payer, { amountNanoUsd: 300_000n });
    await process.spool.hold(order);
    await seen(order, 5_000);
    await kill(process);
    await settleAsHeir();
    expect(await chargeOf(order)).toMatchObject({ basis: "orphan", costNanoUsd: 300_000n });
    expect(await wallet()).toEqual({ spent: 300_000n, heldNanoUsd: 0n });
  });

  test("killed while an extension is under way, holds nothing any more, whether it came through or not", async () => {
    const process = await aProcess(writesAhead);
    const order = aHold(payer, { amountNanoUsd: 300_000n });
    await process.spool.hold(order);
    await seen(order, 90);
    const other = await db.pool.connect();
    await other.query("BEGIN");
    await other.query("SELECT 1 FROM account WHERE id = $1 FOR UPDATE", [payer.accountId]);
    process.ledger.extend(upTo(order, 900_000n)).catch(() => undefined); // It is dead before it knows.
    await expect.poll(() => process.ledger.load().contended, { timeout: 20_000 }).toBeGreaterThan(0);
    await kill(process);
    await other.query("COMMIT");
    other.release();
    await settleAsHeir();
    expect([300_000n, 900_000n]).toContain(await heldBy(order));
    expect(await chargeOf(order)).toMatchObject({ basis: "orphan", costNanoUsd: 280_000n });
    expect(await wallet()).toEqual({ spent: 280_000n, heldNanoUsd: 0n });
  });

  test("killed with its charge in the log, after an extension, is charged as the log says", async () => {
    const process = await aProcess(writesAhead);
    const order = aHold(payer, { amountNanoUsd: 300_000n });
    await process.spool.hold(order);
    await process.ledger.extend(upTo(order, 900_000n));
    const unheard = { ...process.ledger, capture: () => new Promise<never>(() => undefined) };
    const capture = aCapture(order.id, { usage: { input: 100, output: 400 }, costNanoUsd: 900_000n });
    if (writesAhead) await openSpool(folder, process.instance.id, unheard, { writesAhead }).settle({ capture });
    else await process.spool.settle({ capture });
    await kill(process);
    await settleAsHeir();
    expect(await chargeOf(order)).toMatchObject({ basis: "exact", costNanoUsd: 900_000n });
    expect(await wallet()).toEqual({ spent: 900_000n, heldNanoUsd: 0n });
  });
});

test("a hold that is in the log alone is placed by its extension, and settled after a death", async () => {
  const process = await aProcess(true);
  await untilPooled(process);
  const order = aHold(payer, { amountNanoUsd: 300_000n });
  await process.spool.hold(order);
  expect(await process.ledger.extend(upTo(order, 900_000n))).toEqual({ outcome: "held", amountNanoUsd: 900_000n });
  await seen(order, 350);
  await kill(process);
  await settleAsHeir();
  expect(await chargeOf(order)).toMatchObject({ basis: "orphan", costNanoUsd: 800_000n });
  expect(await wallet()).toEqual({ spent: 800_000n, heldNanoUsd: 0n });
});

test("an extension whose connection is lost, before or behind its commit, is sent again and holds once", async () => {
  const { ledger } = await aProcess(false);
  for (let turn = 0; turn < 8; turn++) {
    const order = aHold(payer, { amountNanoUsd: 1_000n });
    await ledger.hold(order);
    const extending = ledger.extend(upTo(order, 5_000n));
    await endBatches();
    expect(await extending).toEqual({ outcome: "held", amountNanoUsd: 5_000n });
    expect(await wallet()).toEqual({ spent: 0n, heldNanoUsd: 5_000n });
    await ledger.release(order.id);
  }
});

test("of two extensions of one hold at once, by one process or two, the larger one stands", async () => {
  const ledgers = [await aLedger(db), await aLedger(db)] as const;
  for (let turn = 0; turn < 12; turn++) {
    const order = aHold(payer, { amountNanoUsd: 1_000n });
    await ledgers[0].hold(order);
    const amounts = turn % 2 ? [4_000n, 7_000n] : [7_000n, 4_000n];
    const [first, second] = await Promise.all(
      amounts.map((amount, n) => ledgers[turn % 3 ? n : 0]!.extend(upTo(order, amount))),
    );
    expect([first!.outcome, second!.outcome]).toEqual(["held", "held"]);
    expect(await heldBy(order)).toBe(7_000n);
    expect(await wallet()).toEqual({ spent: 0n, heldNanoUsd: 7_000n });
    await ledgers[1].release(order.id);
  }
});

test("however extensions and settlements of many holds meet, nothing stays held and each is charged once", async () => {
  const ledgers = [await aLedger(db), await aLedger(db)] as const;
  const step = fc.record({
    kind: fc.constantFrom("extend", "capture", "release"),
    at: fc.nat(3),
    by: fc.nat(1),
    amount: fc.bigInt({ min: 0n, max: 60_000n }),
    turns: fc.nat(3),
  });
  let spent = 0n;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      const orders = Array.from({ length: 4 }, () => aHold(payer, { amountNanoUsd: 10_000n }));
      await Promise.all(orders.map((order) => ledgers[0].hold(order)));
      const paid = await Promise.all(
        steps.map(async ({ kind, at, by, amount, turns }) => {
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          const [order, ledger] = [orders[at]!, ledgers[by as 0 | 1]];
          if (kind === "extend") {
            await ledger.extend(upTo(order, amount));
            return 0n;
          }
          if (kind === "release") return (await ledger.release(order.id)).paidNanoUsd;
          const usage = { input: Number(amount / 1_000n), output: 0 };
          const costNanoUsd = 1_000n * BigInt(usage.input);
          return (await ledger.capture(aCapture(order.id, { usage, costNanoUsd }))).paidNanoUsd;
        }),
      );
      await Promise.all(orders.map(({ id }) => ledgers[1].release(id)));
      spent = paid.reduce((sum, each) => sum + each, spent);
      expect(await wallet()).toEqual({ spent, heldNanoUsd: 0n });
    }),
    { numRuns: 40 },
  );
});
