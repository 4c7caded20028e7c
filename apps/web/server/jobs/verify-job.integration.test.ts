import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { deriveSecrets } from "@codex-gateway/domain";
import type { Log } from "@codex-gateway/gateway";
import { afterEach, beforeEach, expect, test } from "vitest";
import { headsEveryMs, keepHeadIfDue, type HeadKeeping } from "./keep-head.ts";
import { readKeptHeads } from "./kept-heads.ts";
import { schedule, type Schedule } from "./schedule.ts";
import { createVerifyJob, type VerifyJob } from "./verify-job.ts";

let db: TestDatabase;
let folder: string;
let keeping: HeadKeeping;
let jobs: VerifyJob[];
let running: Schedule[];
let logged: { event: string; fields: Record<string, unknown> }[];
const log: Log = (_level, event, fields) => void logged.push({ event, fields });

beforeEach(async () => {
  db = await createTestDatabase();
  folder = mkdtempSync(path.join(tmpdir(), "heads-"));
  const secrets = deriveSecrets("a secret of thirty-two characters");
  keeping = { folder, secrets, everyMs: headsEveryMs, settledMs: 0 };
  jobs = [];
  running = [];
  logged = [];
});
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()));
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

function startJobs(count: number, everyMs: number): VerifyJob[] {
  jobs = Array.from({ length: count }, () => createVerifyJob(db, log, keeping, { everyMs, lookMs: 20 }));
  running.push(...jobs.map((job) => schedule([job], log)));
  return jobs;
}

const aUserWith = async (balanceNanoUsd: bigint) => {
  const userId = randomUUID();
  await db.prisma.user.create({ data: { id: userId, email: `${userId}@example.com`, passwordHash: "-" } });
  await db.prisma.account.create({ data: { id: randomUUID(), kind: "wallet", userId, balanceNanoUsd } });
};

test("of three processes one checks the books in an hour, and all of them know what it found", async () => {
  startJobs(3, 3_600_000);
  await expect.poll(() => jobs.map((job) => job.areBooksSound())).toEqual([true, true, true]);
  expect(await db.prisma.booksCheck.count()).toBe(1);
  expect(logged.map(({ event }) => event)).toEqual(["books_head", "books_sound"]);
});

test("a breach is logged with its figure, and the books are no longer sound", async () => {
  await aUserWith(1n); // Money that no entry accounts for.
  const [job] = startJobs(1, 3_600_000);
  await expect.poll(() => job!.areBooksSound()).toBe(false);
  expect(logged.slice(1)).toMatchObject([
    { event: "books_broken", fields: { broken: [{ invariant: "I1", checked: 1, breaches: 1 }] } },
  ]);
});

test("it checks again when the interval is over, and stops when told to", async () => {
  startJobs(1, 0);
  await expect.poll(() => db.prisma.booksCheck.count()).toBeGreaterThan(1);
  await running[0]!.stop();
  const count = await db.prisma.booksCheck.count();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await db.prisma.booksCheck.count()).toBe(count);
  expect(logged.filter(({ event }) => event === "verify_failed")).toEqual([]);
});

const heads = () => readKeptHeads(keeping.folder, keeping.secrets).heads;
const pay = async () => {
  const [userId, accountId] = [randomUUID(), randomUUID()];
  await db.prisma.user.create({ data: { id: userId, email: `${userId}@example.com`, passwordHash: "-" } });
  await db.prisma.account.create({ data: { id: accountId, kind: "wallet", userId } });
  await db.pool.query(`BEGIN;
    INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid)
      VALUES ('${accountId}', '${accountId}', 'test', '1', 5, true);
    SELECT credit('${accountId}', 'adjustment', '${accountId}', 5); COMMIT`);
};

test("a head is kept once a day, whichever process looks, and told to the webhook", async () => {
  await db.pool.query(`INSERT INTO setting (key, value) VALUES ('alertWebhookUrl', '"https://example.com/hook"')`);
  await pay();
  startJobs(3, 3_600_000);
  await expect.poll(() => db.prisma.alert.count({ where: { kind: "books_head" } })).toBe(1);
  await expect.poll(() => jobs.map((job) => job.areBooksSound())).toEqual([true, true, true]);
  expect(heads()).toMatchObject([{ accounts: 1, balanceNanoUsd: "5" }]);
  expect(await db.prisma.alertDelivery.findMany()).toMatchObject([{ channel: "webhook", recipient: null }]);
  // Else one of them may be at it at this moment.
  await Promise.all(running.map((each) => each.stop()));
  expect(await keepHeadIfDue(db, keeping)).toBe("not_due");
});

test("books that are not what was kept are told of hour by hour, and no new head covers them", async () => {
  await pay();
  expect(await keepHeadIfDue(db, keeping)).toBe("kept");
  await db.pool
    .query(`BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM ledger_entry; DELETE FROM adjustment;
    UPDATE account SET balance_nano_usd = 0, seq = 0, head_hash = decode(repeat('00', 32), 'hex'); COMMIT`);
  expect(await keepHeadIfDue(db, { ...keeping, everyMs: 0 })).toBe("differs");
  const [job] = startJobs(1, 3_600_000);
  await expect.poll(() => job!.areBooksSound()).toBe(false);
  expect(logged).toMatchObject([{ event: "books_broken", fields: { broken: [{ invariant: "HEAD", breaches: 1 }] } }]);
  expect(heads()).toHaveLength(1);
});

test("a clock that was set back voids the heads that count later, instead of crying wolf", async () => {
  await pay();
  expect(await keepHeadIfDue(db, { ...keeping, settledMs: -3_600_000 })).toBe("kept"); // an hour ahead
  expect(await keepHeadIfDue(db, keeping)).toBe("clock_set_back");
  expect(heads()).toEqual([]);
  expect(await keepHeadIfDue(db, keeping)).toBe("kept");
});

test("where the folder cannot be written it is told, and the books are checked all the same", async () => {
  writeFileSync(path.join(folder, "file"), "");
  keeping = { ...keeping, folder: path.join(folder, "file", "heads") };
  const [job] = startJobs(1, 3_600_000);
  await expect.poll(() => job!.areBooksSound()).toBe(true);
  expect(logged[0]).toMatchObject({ event: "head_not_kept" });
});
