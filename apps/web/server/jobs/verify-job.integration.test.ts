import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Log } from "@codex-gateway/gateway";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startVerifyJob, type VerifyJob } from "./verify-job.ts";

let db: TestDatabase;
let jobs: VerifyJob[];
let logged: { event: string; fields: Record<string, unknown> }[];
const log: Log = (_level, event, fields) => void logged.push({ event, fields });

beforeEach(async () => {
  db = await createTestDatabase();
  jobs = [];
  logged = [];
});
afterEach(async () => {
  await Promise.all(jobs.map((job) => job.stop()));
  await db.drop();
});

function startJobs(count: number, everyMs: number): VerifyJob[] {
  jobs = Array.from({ length: count }, () => startVerifyJob(db, log, { everyMs, lookMs: 20 }));
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
  expect(logged.map(({ event }) => event)).toEqual(["books_sound"]);
});

test("a breach is logged with its figure, and the books are no longer sound", async () => {
  await aUserWith(1n); // Money that no entry accounts for.
  const [job] = startJobs(1, 3_600_000);
  await expect.poll(() => job!.areBooksSound()).toBe(false);
  expect(logged).toMatchObject([
    { event: "books_broken", fields: { broken: [{ invariant: "I1", checked: 1, breaches: 1 }] } },
  ]);
});

test("it checks again when the interval is over, and stops when told to", async () => {
  const [job] = startJobs(1, 0);
  await expect.poll(() => db.prisma.booksCheck.count()).toBeGreaterThan(1);
  await job!.stop();
  const count = await db.prisma.booksCheck.count();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await db.prisma.booksCheck.count()).toBe(count);
  expect(logged.filter(({ event }) => event === "verify_failed")).toEqual([]);
});
