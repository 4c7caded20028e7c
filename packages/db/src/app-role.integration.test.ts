import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAppRole } from "./app-role.ts";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
let app: pg.Pool;
let role: string;
beforeEach(async () => {
  db = await createTestDatabase();
  const { urlFor } = await createAppRole(db.url, "password of the owner");
  app = new pg.Pool({ connectionString: urlFor(db.url), max: 2 });
  const { rows } = await app.query<{ name: string }>("SELECT current_user AS name");
  role = rows[0]!.name;
});
afterEach(async () => {
  await app.end();
  await db.pool.query(`DROP OWNED BY ${role}`);
  await db.pool.query(`DROP ROLE ${role}`);
  await db.drop();
});

const may = async (right: string, table: string) => {
  const { rows } = await app.query<{ may: boolean }>("SELECT has_table_privilege($1, $2) AS may", [table, right]);
  return rows[0]!.may;
};

test("it is no superuser, owns nothing, and cannot become more than it is", async () => {
  const { rows } = await app.query("SELECT * FROM pg_roles WHERE rolname = current_user");
  expect(rows).toMatchObject([
    { rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false, rolbypassrls: false },
  ]);
  const { rowCount } = await app.query(
    "SELECT 1 FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)",
  );
  expect(rowCount).toBe(0);
  for (const sql of [
    "CREATE TABLE mine (n int)",
    "ALTER TABLE charge DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "DROP TABLE setting",
    "TRUNCATE setting",
    "SET ROLE postgres",
  ]) {
    await expect(app.query(sql), sql).rejects.toThrow(/permission denied|must be owner/);
  }
});

test.each(["charge", "ledger_entry", "audit_log"])("to %s it can add, and no more", async (table) => {
  expect(await Promise.all(["SELECT", "INSERT"].map((right) => may(right, table)))).toEqual([true, true]);
  for (const right of ["UPDATE", "DELETE", "TRUNCATE"]) expect(await may(right, table), right).toBe(false);
  // Not even where the triggers are gone.
  await db.pool.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
  await expect(app.query(`DELETE FROM ${table}`)).rejects.toThrow("permission denied");
});

test("prices can be retired, and not be deleted; the history of the schema is the owner's", async () => {
  expect([await may("UPDATE", "price_version"), await may("DELETE", "price_version")]).toEqual([true, false]);
  expect([await may("SELECT", "_prisma_migrations"), await may("INSERT", "_prisma_migrations")]).toEqual([true, false]);
});

test("every other table can be written to", async () => {
  const { rows } = await app.query<{ table: string }>(
    `SELECT relname AS table FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
     AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
       AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))`,
  );
  const refused = await db.pool.query<{ table: string }>(
    `SELECT DISTINCT relname AS table FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'refuse_change'`,
  );
  const expected = [...refused.rows.map(({ table }) => table), "_prisma_migrations", "sql_object"];
  expect(rows.map(({ table }) => table).sort()).toEqual(expected.sort());
});

test("a second process, and many at once, find it and give it the tables that have come since", async () => {
  await db.pool.query("CREATE TABLE newer (n int)");
  const roles = await Promise.all(Array.from({ length: 4 }, () => createAppRole(db.url, "password of the owner")));
  expect(new Set(roles.map(({ urlFor }) => urlFor(db.url))).size).toBe(1);
  await app.query("INSERT INTO newer VALUES (1)");
});

test("whoever may not make roles is told so", async () => {
  const { urlFor } = await createAppRole(db.url, "password of the owner");
  await expect(createAppRole(urlFor(db.url), "x")).rejects.toMatchObject({ code: "42501" });
});
