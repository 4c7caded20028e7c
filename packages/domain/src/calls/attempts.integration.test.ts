import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAttemptLog } from "./attempts.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("the attempts of a call are written in their order, with what the operator may have to pay", async () => {
  const log = createAttemptLog(db);
  const holdId = randomUUID();
  const [first, second] = [randomUUID(), randomUUID()];
  const times = { startedAtMs: Date.now() - 500, endedAtMs: Date.now() };
  log.note(holdId, [
    { upstreamId: first, outcome: "ECONNREFUSED", status: null, mayBeBilled: false, ...times },
    { upstreamId: second, outcome: "answered", status: 500, mayBeBilled: true, ...times },
  ]);
  await log.idle();
  expect(await db.prisma.attempt.findMany({ orderBy: { n: "asc" } })).toMatchObject([
    { holdId, n: 1, upstreamId: first, outcome: "ECONNREFUSED", status: null, maybeBilled: false },
    { holdId, n: 2, upstreamId: second, outcome: "answered", status: 500, maybeBilled: true },
  ]);
});
