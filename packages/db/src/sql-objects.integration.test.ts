import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type pg from "pg";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { migrate } from "./migrate.ts";
import type { SchemaFolders } from "./schema-folders.ts";
import { readSqlFiles } from "./sql-files.ts";
import { createTestDatabase, schemaFolders, type TestDatabase } from "./testing/index.ts";

/** Of one version to come: its folder can be changed. */
let next: SchemaFolders;
let db: TestDatabase;
const temporary: string[] = [];

beforeEach(async () => {
  db = await createTestDatabase();
  const folder = await mkdtemp(path.join(tmpdir(), "codex-gateway-sql-"));
  temporary.push(folder);
  for (const sql of schemaFolders.sqlObjects) await cp(sql, folder, { recursive: true });
  next = { ...schemaFolders, sqlObjects: [folder] };
});
afterEach(() => db.drop());
afterAll(() => Promise.all(temporary.map((folder) => rm(folder, { recursive: true }))));

const fileOf = (name: string) => path.join(next.sqlObjects[0]!, `${name}.sql`);

async function edit(name: string, change: (sql: string) => string): Promise<void> {
  const sql = await readFile(fileOf(name), "utf8");
  const edited = change(sql);
  expect(edited).not.toBe(sql);
  await writeFile(fileOf(name), edited);
}

const raiseVersion = (sql: string) => sql.replace(/version \d+/, "version 99");

/** `kind name`, with its definition, of each composite type, function and aggregate; no enum, which belongs to its table. */
async function definitions(pool: pg.Pool): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ object: string; definition: string }>(
    `SELECT 'function ' || p.proname AS object, pg_get_functiondef(p.oid) AS definition
       FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind <> 'a'
     UNION ALL SELECT 'aggregate ' || p.proname, pg_get_function_arguments(p.oid) || ' ' || to_jsonb(a) - 'aggfnoid'
       FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE p.pronamespace = 'public'::regnamespace
     UNION ALL SELECT 'type ' || c.relname, string_agg(f.attname || ' ' || format_type(f.atttypid, f.atttypmod), ', ' ORDER BY f.attnum)
       FROM pg_class c JOIN pg_attribute f ON f.attrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'c' GROUP BY c.relname
     UNION ALL SELECT 'view ' || viewname, definition FROM pg_views WHERE schemaname = 'public'`,
  );
  const found = Object.fromEntries(rows.map(({ object, definition }) => [object, definition]));
  expect(Object.keys(found)).toHaveLength(rows.length); // no two of one name
  return found;
}

async function dropAll(pool: pg.Pool): Promise<void> {
  for (const object of Object.keys(await definitions(pool))) {
    const [kind, name] = object.split(" ");
    await pool.query(`DROP ${kind === "type" || kind === "view" ? kind : "ROUTINE"} IF EXISTS ${name} CASCADE`);
  }
  expect(await definitions(pool)).toEqual({});
  await pool.query("TRUNCATE sql_object");
}

test("a migrated database has the objects of the folders, no other one, as their files alone make them", async () => {
  const migrated = await definitions(db.pool);
  const { objects, retired } = await readSqlFiles(schemaFolders.sqlObjects);
  expect(Object.keys(migrated).sort()).toEqual(objects.map(({ kind, name }) => `${kind} ${name}`).sort());
  expect(objects.filter(({ name }) => retired.some((one) => one.name === name))).toEqual([]);
  await dropAll(db.pool);
  await migrate(db.pool, schemaFolders);
  expect(await definitions(db.pool)).toEqual(migrated);
});

test("a file that was changed is applied again, and only that one", async () => {
  expect(await migrate(db.pool, next)).toEqual([]);
  const before = await definitions(db.pool);
  await edit("refuse_change", (sql) => raiseVersion(sql).replace("% is append-only", "% only grows"));
  expect(await migrate(db.pool, next)).toEqual(["refuse_change"]);
  const { "function refuse_change": changed, ...others } = await definitions(db.pool);
  expect(changed).toContain("only grows");
  expect(before).toMatchObject(others);
  expect(await migrate(db.pool, next)).toEqual([]);
});

test("what is missing is applied again: a migration drops a view to change a column under it", async () => {
  await writeFile(
    fileOf("a_view"),
    "CREATE OR REPLACE VIEW a_view AS SELECT key FROM setting;\n-- version 1, checksum 0\n",
  );
  expect(await migrate(db.pool, next)).toEqual(["a_view"]);
  await db.pool.query("DROP VIEW a_view; ALTER TABLE setting ALTER COLUMN key TYPE varchar(99)");
  expect(await migrate(db.pool, next)).toEqual(["a_view"]);
  await db.pool.query("DROP FUNCTION consume_rate_limit");
  expect(await migrate(db.pool, next)).toEqual(["consume_rate_limit"]);
});

test("of many processes that start at once, one applies what was changed", async () => {
  await edit("refuse_change", raiseVersion);
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(db.pool, next)));
  expect(applied.flat()).toEqual(["refuse_change"]);
});

test("an older program refuses newer, unknown and dropped objects in one sentence", async () => {
  await edit("credit", raiseVersion);
  await migrate(db.pool, next);
  const refusal = (name: string) =>
    new RegExp(`^The database has the SQL object ${name} of a newer version[^\\n]*\\.$`);
  await expect(migrate(db.pool, schemaFolders)).rejects.toThrow(refusal("credit"));
  await db.pool.query("UPDATE sql_object SET name = 'added_later' WHERE name = 'credit'");
  await expect(migrate(db.pool, schemaFolders)).rejects.toThrow(refusal("added_later"));
  await db.pool.query("UPDATE sql_object SET name = 'credit', version = NULL WHERE name = 'added_later'");
  await expect(migrate(db.pool, schemaFolders)).rejects.toThrow(refusal("credit"));
});

test.each([
  ["that cannot be parsed", "BEGIN", "BEGINN"],
  ["that returns something else", "RETURNS boolean", "RETURNS text"],
  ["that names no table", "account%ROWTYPE", "acount%ROWTYPE"],
])("a function %s leaves the database as it was and is named by its file", async (_, good, bad) => {
  const before = await definitions(db.pool);
  await edit("add_debt_entry", (sql) => raiseVersion(sql).replace("RETURNS void\n", "RETURNS void STRICT\n"));
  await edit("credit", (sql) => raiseVersion(sql).replace(good, bad));
  await expect(migrate(db.pool, next)).rejects.toThrow(/^The SQL object credit of \S+\/credit\.sql failed: [^\n]+\.$/);
  expect(await definitions(db.pool)).toEqual(before);
  expect(await migrate(db.pool, schemaFolders)).toEqual([]);
});

test("a function in SQL whose body does not hold is refused, though it is created before what it names", async () => {
  await edit("may_draw", (sql) => raiseVersion(sql).replace("FROM account a", "FROM accounts a"));
  await expect(migrate(db.pool, next)).rejects.toThrow(/may_draw\.sql failed: relation "accounts" does not exist\.$/);
  await writeFile(
    fileOf("a_caller"),
    "CREATE OR REPLACE FUNCTION a_caller() RETURNS int LANGUAGE sql AS 'SELECT later()';\n-- version 1, checksum 0\n",
  );
  await writeFile(
    fileOf("later"),
    "CREATE OR REPLACE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT 1';\n-- version 1, checksum 0\n",
  );
  await edit("may_draw", (sql) => sql.replace("FROM accounts a", "FROM account a"));
  expect(await migrate(db.pool, next)).toEqual(["a_caller", "later", "may_draw"]);
});

test("a type keeps its columns: its file may say more about them, but other ones need a new name", async () => {
  await edit("hold_order", (sql) => `-- More words.\n${sql}`);
  expect(await migrate(db.pool, next)).toEqual(["hold_order"]);
  await edit("hold_order", (sql) => sql.replace("amount             bigint", "amount             numeric"));
  await expect(migrate(db.pool, next)).rejects.toThrow(/^The type hold_order of \S+ has other columns[^\n]*\.$/);
  expect((await definitions(db.pool))["type hold_order"]).toContain("amount bigint");
});

test("what is retired is dropped once, and nothing that is still used", async () => {
  const retire = async (name: string, line: string) => {
    await rm(fileOf(name));
    await appendFile(path.join(next.sqlObjects[0]!, "retired.txt"), `${line}\n`);
  };
  await retire("may_draw", "function may_draw");
  await retire("add_debt_entry", "function add_debt_entry");
  expect(await migrate(db.pool, next)).toEqual(["may_draw", "add_debt_entry"]);
  expect(Object.keys(await definitions(db.pool))).not.toContain("function may_draw");
  expect(await migrate(db.pool, next)).toEqual([]);
  await retire("settlement", "type settlement");
  await expect(migrate(db.pool, next)).rejects.toThrow(/^The SQL object settlement of \S+ failed: cannot drop type/);
  await expect(migrate(db.pool, schemaFolders)).rejects.toThrow(/newer version/);
});

test.each([
  ["another object", "CREATE OR REPLACE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1';", "named after"],
  ["no version", "CREATE OR REPLACE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1';\n", "npm run sql:versions"],
])("a file with %s is refused in one sentence", async (_, sql, reason) => {
  await writeFile(fileOf("mine"), sql);
  await expect(migrate(db.pool, next)).rejects.toThrow(
    new RegExp(`^The file \\S+/mine\\.sql [^\\n]*${reason}[^\\n]*\\.$`),
  );
});
