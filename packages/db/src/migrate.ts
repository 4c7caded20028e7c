/**
 * Applies prisma/migrations at start, then the SQL objects. Prisma's own `migrate deploy` needs an engine that is
 * downloaded from outside the package registry; this keeps the same history table, so that Prisma's commands see the same
 * state where they run.
 */
import { createHash, randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type pg from "pg";
import { advisoryLocks } from "./advisory-locks.ts";
import type { SchemaFolders } from "./schema-folders.ts";
import { readSqlFiles, type SqlFiles } from "./sql-files.ts";
import { applySqlObjects, createRecords, findNewer, readRecords, type ObjectVersion } from "./sql-objects.ts";
import { StartError } from "./start-error.ts";

const final = { isFinal: true };

export type Migration = { name: string; sql: string; checksum: string };

/**
 * Brings the database to the newest migration, each in a transaction of its own, and its SQL objects to what their files
 * say; safe to run from many processes.
 * @returns the names of the migrations, and then of the SQL objects, that it applied
 * @throws StartError where an applied migration was changed or is missing, or a newer version was here
 */
export async function migrate(pool: pg.Pool, folders: SchemaFolders): Promise<string[]> {
  const migrations = await readMigrations(folders.migrations);
  const files = await readSqlFiles(folders.sqlObjects);
  return withLock(pool, async (client) => {
    await createRecords(client);
    const recorded = await readRecords(client);
    refuseNewerObjects(recorded, files);
    const applied = await applyMissing(client, migrations);
    return [...applied, ...(await applySqlObjects(client, recorded, files))];
  });
}

/** Brings an empty database to the tables as they were under these migrations alone, without SQL objects. */
export async function migrateTo(pool: pg.Pool, folders: SchemaFolders, names: ReadonlySet<string>): Promise<void> {
  const migrations = await readMigrations(folders.migrations);
  await withLock(pool, (client) => applyMissing(client, migrations, names));
}

async function withLock<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [advisoryLocks.migrations]);
    try {
      return await work(client);
    } finally {
      await client.query("SELECT pg_advisory_unlock($1)", [advisoryLocks.migrations]);
    }
  } finally {
    client.release();
  }
}

/** All that this version knows, in order. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(path.join(folder, name, "migration.sql"), "utf8");
      return { name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

async function applyMissing(
  client: pg.PoolClient,
  migrations: Migration[],
  only?: ReadonlySet<string>,
): Promise<string[]> {
  await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
  )`);
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    "SELECT migration_name, checksum FROM _prisma_migrations WHERE rolled_back_at IS NULL",
  );
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  refuseForeignHistory(applied, migrations);
  const missing = migrations.filter(({ name }) => !applied.has(name) && (only?.has(name) ?? true));
  for (const migration of missing) await apply(client, migration);
  return missing.map(({ name }) => name);
}

function refuseForeignHistory(applied: Map<string, string>, migrations: Migration[]): void {
  const known = new Map(migrations.map(({ name, checksum }) => [name, checksum]));
  for (const [name, checksum] of applied) {
    const expected = known.get(name);
    if (expected === undefined) {
      throw new StartError(
        `The database has the migration ${name}, which this version does not know: it is newer.`,
        final,
      );
    }
    if (expected !== checksum) {
      throw new StartError(`The migration ${name} was changed after it was applied; restore the original file.`, final);
    }
  }
}

function refuseNewerObjects(recorded: ObjectVersion[], files: SqlFiles): void {
  const name = findNewer(recorded, files);
  if (name) throw new StartError(`The database has the SQL object ${name} of a newer version than this one.`, final);
}

async function apply(client: pg.PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw new StartError(`The migration ${name} failed: ${(error as Error).message}.`);
  }
}
