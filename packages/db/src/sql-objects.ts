/**
 * Brings the database's functions and types to what their files say (the field calls these repeatable migrations):
 * a file whose checksum is not the recorded one is applied again, all of them in one transaction or none.
 */
import type pg from "pg";
import type { RetiredObject, SqlFiles, SqlObject } from "./sql-files.ts";
import { StartError } from "./start-error.ts";

/** The version of a file that was applied; null: the object was dropped. */
export type ObjectVersion = { name: string; version: number | null };
type RecordedObject = ObjectVersion & { checksum: string | null };

/** Creates the table of records where there is none. */
export async function createRecords(client: pg.ClientBase): Promise<void> {
  await client.query(`CREATE TABLE IF NOT EXISTS sql_object (
    name       text PRIMARY KEY,
    version    integer,
    checksum   text,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`);
}

/** Returns the records; none where a version before them was the last one here. */
export async function readRecords(client: pg.ClientBase): Promise<RecordedObject[]> {
  const { rows: tables } = await client.query("SELECT 1 WHERE to_regclass('sql_object') IS NOT NULL");
  if (tables.length === 0) return [];
  const { rows } = await client.query<RecordedObject>("SELECT name, version, checksum FROM sql_object ORDER BY name");
  return rows;
}

/** Names an object that a newer version created, replaced or dropped. */
export function findNewer(recorded: ObjectVersion[], files: SqlFiles): string | undefined {
  const versions = new Map(files.objects.map(({ name, version }) => [name, version]));
  const retired = new Set(files.retired.map(({ name }) => name));
  const isNewer = ({ name, version }: ObjectVersion) => version === null || version > (versions.get(name) ?? 0);
  return recorded.find((object) => !retired.has(object.name) && isNewer(object))?.name;
}

/**
 * Applies what differs from its record, or is not there: a migration drops a view to change a column under it. The caller has the lock that lets one process in.
 * @returns the names of what it created, replaced or dropped
 * @throws StartError with one sentence that names the file; the database is then as it was
 */
export async function applySqlObjects(
  client: pg.ClientBase,
  recorded: RecordedObject[],
  files: SqlFiles,
): Promise<string[]> {
  const checksums = new Map(recorded.map(({ name, checksum }) => [name, checksum]));
  const existing = await listExisting(client);
  const isCurrent = (object: SqlObject) => existing.has(`${object.kind} ${object.name}`);
  const changed = files.objects.filter(
    (object) => checksums.get(object.name) !== object.checksum || !isCurrent(object),
  );
  const dropped = files.retired.filter(({ name }) => checksums.get(name) !== null);
  if (changed.length + dropped.length === 0) return [];
  await client.query("BEGIN");
  try {
    // What a body names may be in a later file: bodies are looked at when all of them are there.
    await client.query("SET LOCAL check_function_bodies = off");
    for (const object of changed) await nameFile(object, create(client, object, isCurrent(object)));
    for (const object of dropped) await nameFile(object, drop(client, object));
    await client.query("SET LOCAL check_function_bodies = on");
    for (const object of files.objects) await nameFile(object, checkBody(client, object));
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
  return [...changed, ...dropped].map(({ name }) => name);
}

async function nameFile({ file, name }: { file: string; name: string }, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The SQL object ${name} of ${file} failed: ${(error as Error).message}.`);
  }
}

/** Lists what is there, as `kind name`. */
async function listExisting(client: pg.ClientBase): Promise<Set<string>> {
  const { rows } = await client.query<{ object: string }>(
    `SELECT CASE prokind WHEN 'a' THEN 'aggregate ' ELSE 'function ' END || proname AS object
       FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
     UNION ALL SELECT CASE relkind WHEN 'v' THEN 'view ' ELSE 'type ' END || relname
       FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('c', 'v')`,
  );
  return new Set(rows.map(({ object }) => object));
}

async function create(client: pg.ClientBase, object: SqlObject, isThere: boolean): Promise<void> {
  if (object.kind === "type" && isThere) await requireSameColumns(client, object);
  else await client.query(object.sql);
  await record(client, object);
}

async function record(client: pg.ClientBase, { name, version, checksum }: RecordedObject): Promise<void> {
  await client.query(
    `INSERT INTO sql_object (name, version, checksum) VALUES ($1, $2, $3) ON CONFLICT (name)
       DO UPDATE SET version = excluded.version, checksum = excluded.checksum, applied_at = excluded.applied_at`,
    [name, version, checksum],
  );
}

/** Without CASCADE: what still uses it says so. */
async function drop(client: pg.ClientBase, { kind, name }: RetiredObject): Promise<void> {
  // Its arguments need not be told where no other has its name.
  const sort = kind === "type" || kind === "view" ? kind : "ROUTINE";
  await client.query(`DROP ${sort} IF EXISTS ${name}`);
  await record(client, { name, version: null, checksum: null });
}

/** A type cannot be replaced, and a process of the version before sends records with the columns that it knows. */
async function requireSameColumns(client: pg.ClientBase, { name, sql, file }: SqlObject): Promise<void> {
  const columns = await readColumns(client, name);
  await client.query("SAVEPOINT beside");
  await client.query("SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)");
  await client.query(sql);
  const newColumns = await readColumns(client, name);
  await client.query("ROLLBACK TO beside; RELEASE beside");
  if (newColumns === columns) return;
  throw new StartError(`The type ${name} of ${file} has other columns than before: its new form needs a new name.`);
}

async function readColumns(client: pg.ClientBase, typeName: string): Promise<string | undefined> {
  const { rows } = await client.query<{ columns: string }>(
    `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns
     FROM pg_attribute WHERE attrelid = to_regclass($1) AND NOT attisdropped`,
    [typeName],
  );
  return rows[0]?.columns;
}

/** Has PostgreSQL read a function's body, which it does not at its creation. */
async function checkBody(client: pg.ClientBase, { name }: SqlObject): Promise<void> {
  const { rows } = await client.query<{ check: string }>(
    `SELECT format('SELECT %s(%s)', l.lanvalidator::regproc, p.oid) AS check
     FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE p.proname = $1 AND p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'`,
    [name],
  );
  for (const { check } of rows) await client.query(check);
}
