import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Database } from "@codex-gateway/db";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aLedgerOf, aCapture, aHold, aPayer, breachesIn, type Payer } from "../testing/money.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { settleForTheDead } from "./dead-processes.ts";
import { closeInstance, openInstance } from "./instance.ts";
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
  const ledger = aLedgerOf(db.pool, instance);
  const [written, open] = [aHold(payer), aHold(payer)];
  await Promise.all([ledger.hold(written), ledger.hold(open)]);
  const unheard = { ...ledger, capture: () => new Promise<never>(() => undefined) };
  const capture = aCapture(written.id);
  await openSpool(folder, instance.id, unheard, { writesAhead: true }).settle({ capture });
  return { instance, ledger, written, open };
}

const settleAs = async (own: { id: string }, pool: Database["pool"] = db.pool, failures = new Map<string, number>()) =>
  settleForTheDead(
    { pool },
    {
      ledger: aLedgerOf(db.pool, { id: own.id, epoch: 1n }),
      spoolFolder: folder,
      ownInstanceId: own.id,
      recall: () => Promise.resolve(null),
      failures,
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

const fileOf = ({ id }: { id: string }) => path.join(folder, `${id}.jsonl`);

test("a line that is damaged costs its own hold an estimate, and is kept; the lines beside it are charged as they say", async () => {
  const { instance, written, open } = await aProcessAtWork();
  const whole = readFileSync(fileOf(instance), "utf8");
  writeFileSync(
    fileOf(instance),
    `${whole}${whole.replace(written.id, `${open.id.slice(0, -1)}x`)}${"\0".repeat(512)}`,
  );
  await closeInstance(db, instance);
  expect(await settleAs(await openInstance(db))).toEqual({ adopted: 1, reaped: 1, unread: 1, errors: [] });
  expect(await chargesOf()).toMatchObject([
    { holdId: written.id, basis: "exact", costNanoUsd: 2_000_000n },
    { holdId: open.id, basis: "orphan" },
  ]);
  expect(await db.prisma.deadLetter.findMany()).toMatchObject([{ instanceId: instance.id, outcome: "unread" }]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a log that cannot be read keeps nobody else's holds open, and its own process's for a few rounds", async () => {
  const [unreadable, other] = [await aProcessAtWork(), await aProcessAtWork()];
  rmSync(fileOf(unreadable.instance));
  mkdirSync(fileOf(unreadable.instance));
  await Promise.all([closeInstance(db, unreadable.instance), closeInstance(db, other.instance)]);
  const living = await openInstance(db);
  const failures = new Map<string, number>();
  const rounds: number[][] = [];
  for (let round = 0; round < 3; round++) {
    const { adopted, reaped, errors } = await settleAs(living, db.pool, failures);
    rounds.push([adopted, reaped, errors.length]);
  }
  expect(rounds).toEqual([
    [1, 1, 1],
    [0, 0, 1],
    [0, 2, 1],
  ]);
});

test("a hold of a month ago, and a clock that was set, stop no reaping", async () => {
  const { instance, open } = await aProcessAtWork();
  rmSync(fileOf(instance));
  await db.pool.query("UPDATE hold SET created_at = now() - interval '40 days' WHERE id = $1", [open.id]);
  await closeInstance(db, instance);
  expect(await settleAs(await openInstance(db))).toMatchObject({ adopted: 0, reaped: 2, errors: [] });
  expect(await db.prisma.charge.findUnique({ where: { holdId: open.id } })).toMatchObject({ latencyMs: 2 ** 31 - 1 });
});

test("progress that the database would refuse costs nobody else's, and none waits for a batch", async () => {
  const { ledger, written, open } = await aProcessAtWork();
  const progress = { observedOutputTokens: 5, estimatedInputTokens: 3 };
  const other = await db.pool.connect();
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM hold WHERE id = $1 FOR UPDATE", [written.id]);
  const checkpoints = createCheckpoints(db);
  checkpoints.note({ id: written.id, upstreamResponseId: null, ...progress });
  checkpoints.note({ id: open.id, upstreamResponseId: "resp_\0\ud800", ...progress });
  await expect
    .poll(async () => (await db.prisma.hold.findUniqueOrThrow({ where: { id: open.id } })).upstreamResponseId)
    .toBe("resp_\ufffd");
  await other.query("ROLLBACK");
  other.release();
  await Promise.all([ledger.release(written.id), ledger.release(open.id)]);
});
