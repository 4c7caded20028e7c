import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findStandbyFault } from "./standbys.ts";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("a database without a standby has none that could lag; one whose standby is not waited for says so", async () => {
  expect(await findStandbyFault(db.pool)).toBeNull();
  const standby = new pg.Client({ connectionString: db.url, replication: "true" } as pg.ClientConfig);
  await standby.connect();
  try {
    expect(await findStandbyFault(db.pool)).toBe("synchronous_standby_names is empty");
  } finally {
    await standby.end();
  }
});

const settings = (names: string, commit: string) =>
  ({ query: () => Promise.resolve({ rows: [{ streams: true, names, commit }] }) }) as unknown as pg.Pool;

test.each([
  ["", "on", "synchronous_standby_names is empty"],
  [" ", "on", "synchronous_standby_names is empty"],
  ["ANY 1 (*)", "on", null],
  ["standby", "remote_apply", null],
  ["standby", "local", "synchronous_commit is local"],
  ["standby", "off", "synchronous_commit is off"],
])("standbys %j with commits %s: %s", async (names, commit, reason) => {
  expect(await findStandbyFault(settings(names, commit))).toBe(reason);
});
