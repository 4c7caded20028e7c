import { randomUUID } from "node:crypto";
import { PassThrough } from "node:stream";
import { migrate, readBackup, writeBackup } from "@codex-gateway/db";
import { createTestDatabase, migrateTo, schemaFolders, type TestDatabase } from "@codex-gateway/db/testing";
import { readdirSync } from "node:fs";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aCapture, aHold, aLedger, aRequestId, breachesIn, dollar, type Payer } from "./testing/money.ts";

/** The last migrations that created functions; from then on these have files. */
const oldMigrations = new Set(readdirSync(schemaFolders.migrations).filter((name) => name < "0016"));
const instanceId = randomUUID();
const limitedKeyId = randomUUID();
const payer: Payer = {
  userId: randomUUID(),
  accountId: randomUUID(),
  apiKeyId: randomUUID(),
  priceVersionId: randomUUID(),
};

let db: TestDatabase;
let restored: TestDatabase;
/** A connection of a process that was started before the update, and serves on. */
let running: PoolClient;

beforeAll(async () => {
  [db, restored] = [await createTestDatabase(), await createTestDatabase()];
  await db.pool.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  await migrateTo(db.pool, schemaFolders, oldMigrations);
  running = await db.pool.connect();
  await fill();
});
afterAll(async () => {
  running.release(true);
  await Promise.all([db.drop(), restored.drop()]);
});

/** In SQL of its time: today's programs may ask for what the tables of that time do not have. */
async function fill(): Promise<void> {
  const prices = {
    bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: "1000000", output: "2000000" } }],
    tiersPpm: {},
  };
  await db.pool.query(`
    INSERT INTO "user" (id, email, password_hash) VALUES ('${payer.userId}', 'a@example.com', '-');
    INSERT INTO account (id, kind, user_id) VALUES ('${payer.accountId}', 'wallet', '${payer.userId}');
    INSERT INTO api_key (id, user_id, name, prefix, last_four, secret_hash, requests_per_minute)
      VALUES ('${payer.apiKeyId}', '${payer.userId}', 'test', 'sk-cg-', '0000', '\\x01', NULL),
        ('${limitedKeyId}', '${payer.userId}', 'limited', 'sk-cg-', '0000', '\\x02', 1000);
    INSERT INTO price_version (id, model, prices, source)
      VALUES ('${payer.priceVersionId}', 'test-model', '${JSON.stringify(prices)}', 'test');
    INSERT INTO instance (id, epoch, lease_until) VALUES ('${instanceId}', 1, now() + interval '1 hour');
    INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid)
      VALUES ('${payer.userId}', '${payer.accountId}', 'test', '1', ${dollar}, true);
    SELECT credit('${payer.accountId}', 'adjustment', '${payer.userId}', ${dollar});
    SELECT append_audit('${payer.userId}', 'a@example.com', 'login', 'user', NULL, '', '{}');
  `);
  await settle([await hold(), await hold(), await hold(limitedKeyId)]);
  await hold(); // which stays open
  await settle([await hold(payer.apiKeyId, 1_000n)]); // which costs more than was held
}

async function hold(apiKeyId = payer.apiKeyId, amountNanoUsd = dollar / 10n): Promise<string> {
  const id = aRequestId();
  await running.query({
    name: "old_hold",
    text: `SELECT ledger_batch('{}', ARRAY[ROW($1::uuid, $2::uuid, $3::uuid, $4::bigint, NULL, $5::uuid, 'chat.completions',
      'test-model', 100)::hold_order], ARRAY[$2::uuid], $6, 1, '{NULL,NULL,NULL}')`,
    values: [id, payer.accountId, apiKeyId, String(amountNanoUsd), payer.priceVersionId, instanceId],
  });
  return id;
}

async function settle(ids: string[]): Promise<void> {
  await running.query({
    name: "old_settle",
    text: `SELECT ledger_batch((SELECT array_agg(ROW(id, true, 2000000, 'exact', '{}', '{"input":1000,"output":500}', 1000, 500,
      'test-model', NULL, NULL, NULL, NULL, 200, false, 10, 20)::settlement) FROM unnest($1::uuid[]) AS id), '{}',
      ARRAY[$2::uuid], $3, 1, '{NULL,NULL,NULL}')`,
    values: [ids, payer.accountId, instanceId],
  });
}

async function backUp(from: TestDatabase): Promise<PassThrough> {
  const file = new PassThrough({ highWaterMark: 2 ** 24 });
  await writeBackup(from, file, { secretKeyId: "test" });
  return file;
}

const restore = async (file: PassThrough) => {
  // Nobody's data is lost: what a backup goes into holds no users.
  await restored.pool.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  return readBackup(restored, file, { folders: schemaFolders, check: () => undefined });
};

const chargesIn = async ({ pool }: TestDatabase) =>
  (await pool.query("SELECT hold_id, cost_nano_usd FROM charge ORDER BY hold_id")).rows;

test("a backup of a database from before is restored into today's", async () => {
  const before = await chargesIn(db);
  expect(before).toHaveLength(4);
  const { head } = await restore(await backUp(db));
  expect(head.sqlObjects).toEqual([]);
  expect(await chargesIn(restored)).toEqual(before);
  expect(await breachesIn(restored)).toEqual([]);
});

test("a database from before is updated with its money, while a process of that time goes on", async () => {
  const before = await chargesIn(db);
  const underWay = await hold();
  const applied = await migrate(db.pool, schemaFolders);
  expect(applied).toContain("ledger_batch");
  expect(applied.filter((name) => oldMigrations.has(name))).toEqual([]);
  expect(await chargesIn(db)).toEqual(before);
  expect(await breachesIn(db)).toEqual([]);

  await settle([underWay, await hold(), await hold(limitedKeyId)]);
  const ledger = await aLedger(db);
  const order = aHold(payer);
  expect(await ledger.hold(order)).toMatchObject({ outcome: "held" });
  expect(await ledger.capture(aCapture(order.id))).toMatchObject({ didSettle: true });
  expect(await chargesIn(db)).toHaveLength(before.length + 4);
  expect(await breachesIn(db)).toEqual([]);
  expect(await migrate(db.pool, schemaFolders)).toEqual([]);
});

test("a backup is restored with the functions of the program that reads it", async () => {
  const { head } = await restore(await backUp(db));
  expect(head.sqlObjects).toContainEqual({ name: "ledger_batch", version: expect.any(Number) });
  expect(await chargesIn(restored)).toEqual(await chargesIn(db));
  expect(await breachesIn(restored)).toEqual([]);
  const ledger = await aLedger(restored);
  expect(await ledger.hold(aHold(payer))).toMatchObject({ outcome: "held" });
  expect(await migrate(restored.pool, schemaFolders)).toEqual([]);
});

test("a backup of a newer version's functions is refused in one sentence", async () => {
  await db.pool.query("UPDATE sql_object SET version = 1000 WHERE name = 'credit'");
  const before = await chargesIn(restored);
  const reading = readBackup(restored, await backUp(db), { folders: schemaFolders, check: () => undefined });
  await expect(reading).rejects.toThrow(/^The backup was made with the SQL object credit of a newer version[^\n]*\.$/);
  expect(await chargesIn(restored)).toEqual(before);
});
