import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openLedgerPool } from "./database.ts";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
let pool: ReturnType<typeof openLedgerPool>;
beforeAll(async () => {
  db = await createTestDatabase();
  pool = openLedgerPool(db.url);
});
afterAll(async () => {
  await pool.end();
  await db.drop();
});

test("a connection that breaks in the middle of a transaction fails that alone", async () => {
  const client = await db.pool.connect();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  await client.query("BEGIN");
  await db.pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
  await expect(client.query("SELECT pg_sleep(1)")).rejects.toThrow(/terminat|not queryable/);
  client.release(true);
  expect((await db.pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("the ledger's statements end after 5 s, and wait for a lock for 2 s", async () => {
  const { rows } = await pool.query(
    "SELECT current_setting('statement_timeout') AS s, current_setting('lock_timeout') AS l",
  );
  expect(rows).toEqual([{ s: "5s", l: "2s" }]);
  const locker = await db.pool.connect();
  await locker.query("BEGIN");
  await locker.query("LOCK TABLE setting");
  const startedAtMs = Date.now();
  await expect(pool.query("SELECT * FROM setting")).rejects.toMatchObject({ code: "55P03" });
  expect(Date.now() - startedAtMs).toBeLessThan(4_000);
  await locker.query("ROLLBACK");
  locker.release();
});

test("a database that does not answer is known within a second", async () => {
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as AddressInfo;
  const lost = openLedgerPool(`postgresql://u:p@127.0.0.1:${port}/x`);
  const startedAtMs = Date.now();
  await expect(lost.query("SELECT 1")).rejects.toThrow();
  expect(Date.now() - startedAtMs).toBeLessThan(1_000);
  await lost.end();
  mute.close();
});
