/**
 * A backup in one file: the whole database as of one moment, while the gateway runs on. It is gzipped SQL: a comment
 * that says what it is, one COPY per table, and a comment with the counts, without which the file counts as cut off.
 * It holds no schema: that comes from the migrations, of which it names those that it was made under.
 */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import type { Database } from "./database.ts";
import { migrate, migrateTo, readMigrations } from "./migrate.ts";
import type { SchemaFolders } from "./schema-folders.ts";
import { readSqlFiles } from "./sql-files.ts";
import { findNewer, readRecords, type ObjectVersion } from "./sql-objects.ts";
import { StartError } from "./start-error.ts";

export type BackupHead = {
  format: "codex-gateway-backup";
  createdAt: string;
  /** Names the secret key without telling it: what is encrypted or hashed in here is under that one. */
  secretKeyId: string;
  migrations: { name: string; checksum: string }[];
  /** The SQL objects that wrote the rows; backups before they had versions have none. */
  sqlObjects?: ObjectVersion[];
};
export type RowCounts = Record<string, number>;

type Table = { name: string; columns: string[] };

const format = "codex-gateway-backup";
/** The schema's own tables: a restored database has them from the program that restores it. */
const historyTable = "_prisma_migrations";
const objectsTable = "sql_object";
const endOfTable = Buffer.from("\\.\n");
const endOfRows = Buffer.from("\n\\.\n");

/** Writes the backup and ends `out`. @throws Error where a part cannot be read or written */
export async function writeBackup(
  { pool }: Pick<Database, "pool">,
  out: Writable,
  { secretKeyId }: { secretKeyId: string },
): Promise<RowCounts> {
  const gzip = createGzip({ level: 3 });
  const written = pipeline(gzip, out);
  const client = await pool.connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const head: BackupHead = {
      format,
      createdAt: new Date().toISOString(),
      secretKeyId,
      migrations: await appliedMigrations(client),
      sqlObjects: (await readRecords(client)).map(({ name, version }) => ({ name, version })),
    };
    gzip.write(`-- ${JSON.stringify(head)}\n`);
    const counts: RowCounts = {};
    for (const table of await tablesInOrder(client)) {
      gzip.write(`${copyCommandOf(table)};\n`);
      const rows = client.query(copyTo(copyCommandOf(table, "TO STDOUT")));
      for await (const chunk of rows) if (!gzip.write(chunk)) await once(gzip, "drain");
      gzip.write(endOfTable);
      counts[table.name] = rows.rowCount;
    }
    await client.query("COMMIT");
    gzip.end(`-- ${JSON.stringify({ rows: counts })}\n`);
    await written;
    return counts;
  } catch (error) {
    gzip.destroy();
    await written.catch(() => undefined);
    throw error;
  } finally {
    // A COPY that was broken off leaves the connection in no state to be used again.
    client.release(true);
  }
}

/**
 * Reads a backup into a database that holds no users yet, and brings the schema up to date. Either all of it is in, or
 * nothing. `check` may refuse it by its head.
 * @throws StartError with one sentence where the file or the database is not fit for it
 */
export async function readBackup(
  { pool }: Pick<Database, "pool">,
  source: Readable,
  { folders, check }: { folders: SchemaFolders; check: (head: BackupHead) => void },
): Promise<{ head: BackupHead; counts: RowCounts }> {
  const gunzip = createGunzip();
  const fed = pipeline(source, gunzip);
  fed.catch(() => undefined); // the reader below throws the same
  const reader = createLineReader(gunzip);
  try {
    const head = parseHead(await reader.line());
    await refuseNewer(head, folders);
    check(head);
    await emptySchema(pool);
    await migrateTo(pool, folders, new Set(head.migrations.map(({ name }) => name)));
    const counts = await load(pool, reader);
    await fed;
    await migrate(pool, folders);
    return { head, counts };
  } catch (error) {
    throw error instanceof StartError ? error : unreadable(error);
  } finally {
    gunzip.destroy();
  }
}

function unreadable(error: unknown): Error {
  const { code, message } = error as { code?: string; message: string };
  const isBroken = /^Z_|ERR_STREAM_PREMATURE_CLOSE/.test(code ?? "") || message === "unexpected end of file";
  return isBroken ? new StartError("This is no backup, or it is damaged or cut off.") : (error as Error);
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

const copyCommandOf = ({ name, columns }: Table, direction = "FROM stdin") =>
  `COPY ${quote(name)} (${columns.map(quote).join(", ")}) ${direction}`;

async function appliedMigrations(client: pg.PoolClient): Promise<BackupHead["migrations"]> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    `SELECT migration_name AS name, checksum FROM ${historyTable} WHERE rolled_back_at IS NULL ORDER BY 1`,
  );
  return rows;
}

/** Every table with the columns that are stored as given, those first that others refer to. */
async function tablesInOrder(client: pg.PoolClient): Promise<Table[]> {
  const { rows: tables } = await client.query<Table>(
    `SELECT t.table_name AS name, array_agg(c.column_name::text ORDER BY c.ordinal_position) AS columns
     FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name)
     WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER' AND t.table_name <> ALL ($1)
     GROUP BY 1 ORDER BY 1`,
    [[historyTable, objectsTable]],
  );
  const { rows: references } = await client.query<{ from: string; to: string }>(
    `SELECT f.relname AS "from", t.relname AS "to" FROM pg_constraint k
     JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
     WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND f.oid <> t.oid`,
  );
  const ordered: Table[] = [];
  const place = (table: Table) => {
    if (ordered.includes(table)) return;
    for (const { to } of references.filter(({ from }) => from === table.name)) {
      const needed = tables.find(({ name }) => name === to);
      if (needed) place(needed);
    }
    ordered.push(table);
  };
  tables.forEach(place);
  return ordered;
}

function parseHead(line: string | null): BackupHead {
  try {
    const head = JSON.parse((line ?? "").replace(/^-- /, "")) as BackupHead | { format: unknown };
    if (head.format === format) return head as BackupHead;
  } catch {
    // falls through
  }
  throw new StartError("This is no backup of Codex Gateway.");
}

async function refuseNewer(head: BackupHead, folders: SchemaFolders): Promise<void> {
  const known = new Map((await readMigrations(folders.migrations)).map(({ name, checksum }) => [name, checksum]));
  for (const { name, checksum } of head.migrations) {
    const expected = known.get(name);
    if (expected === undefined) {
      throw new StartError(`The backup has the migration ${name}, which this version does not know: it is newer.`);
    }
    if (expected !== checksum) throw new StartError(`The backup was made under another form of the migration ${name}.`);
  }
  const newer = findNewer(head.sqlObjects ?? [], await readSqlFiles(folders.sqlObjects));
  if (newer) throw new StartError(`The backup was made with the SQL object ${newer} of a newer version than this one.`);
}

/** @throws StartError where somebody's data would be lost, or a gateway runs on it */
async function emptySchema(pool: Database["pool"]): Promise<void> {
  const { rows } = await pool.query<{ exists: boolean }>(`SELECT to_regclass('public."user"') IS NOT NULL AS exists`);
  if (rows[0]?.exists) {
    const users = await pool.query('SELECT 1 FROM "user" LIMIT 1');
    if (users.rowCount) throw new StartError("The database holds data already; a backup goes into an empty one.");
    await requireNobodyRuns(pool);
  }
  await pool.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

/** @throws StartError where a gateway runs on the database */
export async function requireNobodyRuns(pool: Database["pool"]): Promise<void> {
  const running = await pool.query("SELECT 1 FROM instance WHERE lease_until > now() LIMIT 1");
  if (running.rowCount) {
    throw new StartError("A gateway runs on this database, or ended within the last half minute; stop it first.");
  }
}

async function load(pool: Database["pool"], reader: LineReader): Promise<RowCounts> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const counts: RowCounts = {};
    for (;;) {
      const line = await reader.line();
      const [, name] = /^COPY "([^"]+)" \([^;]*\) FROM stdin;$/.exec(line ?? "") ?? [];
      if (line === null || !name) {
        requireCounts(line, counts);
        break;
      }
      const rows = client.query(copyFrom(line.slice(0, -1)));
      await pipeline(reader.untilEndOfTable(), rows);
      counts[name] = rows.rowCount;
    }
    await restartSequences(client);
    // Else the proof that follows, and the first pages, are planned for empty tables.
    await client.query("ANALYZE");
    await client.query("COMMIT");
    return counts;
  } finally {
    // Where something failed the connection goes, and its transaction with it.
    client.release(true);
  }
}

function requireCounts(line: string | null, counts: RowCounts): void {
  if (line === null) throw new StartError("The backup is cut off: its last line is missing.");
  const { rows } = JSON.parse(line.replace(/^-- /, "")) as { rows: RowCounts };
  const wrong = Object.keys(rows).find((name) => rows[name] !== counts[name]);
  if (wrong)
    throw new StartError(`The backup is damaged: ${wrong} has ${counts[wrong] ?? 0} rows, not ${rows[wrong]}.`);
}

async function restartSequences(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string; sequence: string }>(
    `SELECT table_name AS "table", column_name AS "column",
       pg_get_serial_sequence(quote_ident(table_name), column_name) AS sequence
     FROM information_schema.columns
     WHERE table_schema = 'public' AND pg_get_serial_sequence(quote_ident(table_name), column_name) IS NOT NULL`,
  );
  for (const { table, column, sequence } of rows) {
    await client.query(
      `SELECT setval($1, greatest((SELECT max(${quote(column)}) FROM ${quote(table)}), 1),
         EXISTS (SELECT 1 FROM ${quote(table)}))`,
      [sequence],
    );
  }
}

type LineReader = {
  /** The next line without its end; null at the end of the file. */
  line(): Promise<string | null>;
  /** The rows up to the line that ends a table, in chunks. */
  untilEndOfTable(): AsyncGenerator<Buffer>;
};

function createLineReader(stream: Readable): LineReader {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done) return false;
    rest = rest.length === 0 ? next.value : Buffer.concat([rest, next.value]);
    return true;
  };
  return {
    line: async () => {
      let end: number;
      while ((end = rest.indexOf(10)) === -1) if (!(await more())) return null;
      const line = rest.toString("utf8", 0, end);
      rest = rest.subarray(end + 1);
      return line;
    },
    untilEndOfTable: async function* () {
      // In COPY's text a backslash of the data is written as two, so that this line is always the end.
      let isFirst = true;
      for (;;) {
        if (isFirst && rest.subarray(0, endOfTable.length).equals(endOfTable)) {
          rest = rest.subarray(endOfTable.length);
          return;
        }
        const end = rest.indexOf(endOfRows);
        if (end !== -1) {
          yield rest.subarray(0, end + 1);
          rest = rest.subarray(end + 1 + endOfTable.length);
          return;
        }
        // What might be the beginning of the end is kept.
        const safe = Math.max(rest.length - endOfTable.length, 0);
        if (safe > 0) {
          yield rest.subarray(0, safe);
          rest = rest.subarray(safe);
          isFirst = false;
        }
        if (!(await more())) throw new StartError("The backup is cut off in the middle of a table.");
      }
    },
  };
}
