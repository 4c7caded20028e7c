import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fillPool, openDatabase, openCallPool } from "./database.ts";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
let pool: ReturnType<typeof openCallPool>;
beforeAll(async () => {
  db = await createTestDatabase();
  pool = openCallPool(db.url, "ledger");
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

const limitsOf = async ({ query }: { query: typeof pool.query }) =>
  (
    await query(`SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
      current_setting('idle_in_transaction_session_timeout') AS idle`)
  ).rows;

test("each use of the database has limits of its own, and no transaction is left open for ever", async () => {
  expect(await limitsOf({ query: pool.query.bind(pool) })).toEqual([{ statement: "5s", lock: "50ms", idle: "5s" }]);
  for (const [use, limits] of [
    ["app", { statement: "1min", lock: "5s", idle: "15s" }],
    ["commands", { statement: "0", lock: "1min", idle: "10min" }],
  ] as const) {
    const database = openDatabase(db.url, { use });
    expect(await limitsOf({ query: database.pool.query.bind(database.pool) })).toEqual([limits]);
    await database.close();
  }
});

test("a transaction that somebody has left open gives its locks back by itself", async () => {
  const client = await pool.connect();
  client.on("error", () => undefined);
  await client.query("BEGIN");
  await client.query("LOCK TABLE setting");
  const startedAtMs = Date.now();
  await db.pool.query("SET lock_timeout = '20s'; SELECT 1 FROM setting");
  expect(Date.now() - startedAtMs).toBeGreaterThan(3_000);
  client.release(true);
});

test("the ledger's statements wait for no lock", async () => {
  const locker = await db.pool.connect();
  await locker.query("BEGIN");
  await locker.query("LOCK TABLE setting");
  const startedAtMs = Date.now();
  await expect(pool.query("SELECT * FROM setting")).rejects.toMatchObject({ code: "55P03" });
  expect(Date.now() - startedAtMs).toBeLessThan(2_000);
  await locker.query("ROLLBACK");
  locker.release();
});

test("a database that does not answer is known within a second", async () => {
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as AddressInfo;
  const lost = openCallPool(`postgresql://u:p@127.0.0.1:${port}/x`, "ledger");
  const startedAtMs = Date.now();
  await expect(lost.query("SELECT 1")).rejects.toThrow();
  expect(Date.now() - startedAtMs).toBeLessThan(1_000);
  await lost.end();
  mute.close();
});

test("a pool that is filled has all of its connections before the first call, and keeps them", async () => {
  const filled = openCallPool(db.url, "lookups");
  await fillPool(filled);
  expect([filled.totalCount, filled.idleCount]).toEqual([2, 2]);
  expect(filled.options.idleTimeoutMillis).toBe(0);
  await filled.end();
});

test("a pool of a database that is not there cannot be filled, and leaves nothing open", async () => {
  const lost = openCallPool("postgresql://nobody:x@127.0.0.1:1/x", "lookups");
  await expect(fillPool(lost)).rejects.toThrow();
  expect(lost.totalCount).toBe(0);
  await lost.end();
});
