import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("a connection that breaks in the middle of a transaction fails that alone", async () => {
  const client = await db.pool.connect();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  await client.query("BEGIN");
  await db.pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
  await expect(client.query("SELECT pg_sleep(1)")).rejects.toThrow(/terminat|not queryable/);
  client.release(true);
  expect((await db.pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});
