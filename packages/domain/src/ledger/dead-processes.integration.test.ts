import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Database } from "@codex-gateway/db";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aCapture, aHold, aPayer, breachesIn, type Payer } from "../testing/money.ts";
import { settleForTheDead } from "./dead-processes.ts";
import { closeInstance, openInstance } from "./instance.ts";
import { createLedger } from "./ledger.ts";
import { openSpool } from "./spool.ts";

let db: TestDatabase;
let folder: string;
let payer: Payer;
beforeEach(async () => {
  db = await createTestDatabase();
  folder = mkdtempSync(path.join(tmpdir(), "dead-"));
  payer = await aPayer(db);
});
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** A process with two holds: of one it has written down what it costs, and neither has reached the database. */
async function aProcessAtWork() {
  const instance = await openInstance(db);
  const ledger = createLedger(db.pool, instance);
  const [written, open] = [aHold(payer), aHold(payer)];
  await Promise.all([ledger.hold(written), ledger.hold(open)]);
  const unheard = { ...ledger, capture: () => new Promise<never>(() => undefined) };
  const capture = aCapture(written.id);
  await openSpool(folder, instance.id, unheard, { writesAhead: true }).settle({ capture });
  return { instance, ledger, written, open };
}

const settleAs = async (own: { id: string }, pool: Database["pool"] = db.pool) =>
  settleForTheDead(
    { pool },
    {
      ledger: createLedger(db.pool, { id: own.id, epoch: 1n }),
      spoolFolder: folder,
      ownInstanceId: own.id,
      recall: () => Promise.resolve(null),
    },
  );

const chargesOf = () =>
  db.prisma.charge.findMany({ select: { holdId: true, basis: true, costNanoUsd: true }, orderBy: { basis: "asc" } });

test("what a dead process had written down is charged as it says, and only the rest is estimated", async () => {
  const { instance, written, open } = await aProcessAtWork();
  const living = await openInstance(db);
  expect(await settleAs(living)).toEqual({ adopted: 0, reaped: 0, unread: 0, errors: [] });
  await closeInstance(db, instance);
  expect(await settleAs(living)).toEqual({ adopted: 1, reaped: 1, unread: 0, errors: [] });
  expect(await chargesOf()).toMatchObject([
    { holdId: written.id, basis: "exact", costNanoUsd: 2_000_000n },
    { holdId: open.id, basis: "orphan" },
  ]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a lease that runs out between the two is looked at by neither, and next time by both", async () => {
  const { instance } = await aProcessAtWork();
  const living = await openInstance(db);
  let looks = 0;
  const query = async (text: string, values: unknown[]) => {
    const found = await db.pool.query(text, values);
    if (text.includes("FROM instance") && looks++ === 0) await closeInstance(db, instance);
    return found;
  };
  expect(await settleAs(living, { query } as unknown as Database["pool"])).toEqual({
    adopted: 0,
    reaped: 0,
    unread: 0,
    errors: [],
  });
  expect([looks, await chargesOf()]).toEqual([2, []]);
  expect(await settleAs(living)).toEqual({ adopted: 1, reaped: 1, unread: 0, errors: [] });
});

test("a process whose own lease has run out settles nothing for itself: it lives", async () => {
  const { instance, ledger, written, open } = await aProcessAtWork();
  await closeInstance(db, instance);
  expect(await settleAs(instance)).toEqual({ adopted: 0, reaped: 0, unread: 0, errors: [] });
  expect(readdirSync(folder)).toEqual([`${instance.id}.jsonl`]);
  expect((await ledger.release(open.id)).didSettle).toBe(true);
  expect((await ledger.capture(aCapture(written.id))).didSettle).toBe(true);
});
