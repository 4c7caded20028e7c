/**
 * Changes every cell of a database one by one, as only a hand in the database could (no trigger and no foreign key is
 * asked), and says of each whether `verify` notices. The catalogue is read: a new column is in it by itself.
 */
import type { Database, Queryable } from "@codex-gateway/db";

type Column = { table: string; column: string; type: string; key: string[] };

/** A changed cell. `refused`: the schema itself does not take it. */
export type Change = {
  table: string;
  column: string;
  row: Record<string, unknown>;
  /** An SQL expression of what is written. */
  to: string;
  outcome: "noticed" | "unnoticed" | "refused";
};

type Options = {
  isNoticed: (client: Queryable) => Promise<boolean>;
  /** Whether the cell is worth a change. */
  isWanted: (table: string, column: string, row: Record<string, unknown>) => boolean;
};

export async function changeEveryCell(
  { pool }: Pick<Database, "pool">,
  { isNoticed, isWanted }: Options,
): Promise<Change[]> {
  const client = await pool.connect();
  const changes: Change[] = [];
  try {
    await client.query("BEGIN; SET LOCAL session_replication_role = replica");
    for (const column of await readColumns(client)) {
      const { rows } = await client.query<Record<string, unknown>>(`SELECT * FROM "${column.table}"`);
      for (const row of rows.filter((found) => isWanted(column.table, column.column, found))) {
        for (const to of await valuesFor(client, column, row)) {
          await client.query("SAVEPOINT cell");
          const outcome = await write(client, column, row, to).then(
            async (isChanged) => isChanged && ((await isNoticed(client)) ? "noticed" : "unnoticed"),
            () => "refused" as const,
          );
          await client.query("ROLLBACK TO cell");
          if (outcome) changes.push({ table: column.table, column: column.column, row, to, outcome });
        }
      }
    }
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
  return changes;
}

/** Columns that are stored as given, of all tables of the product. */
export async function readColumns(client: Queryable): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT c.relname AS "table", a.attname AS "column", format_type(a.atttypid, NULL) AS type,
       (SELECT array_agg(k.attname::text) FROM pg_index i JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisprimary) AS key
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attgenerated = '' AND c.relname NOT IN ('_prisma_migrations', 'sql_object')
     ORDER BY 1, a.attnum`,
  );
  return rows;
}

const byType: Record<string, string[]> = {
  uuid: ["gen_random_uuid()"],
  bigint: ["$ + 1"],
  integer: ["$ + 1"],
  text: ["$ || 'x'"],
  boolean: ["NOT $"],
  bytea: ["set_byte($, 0, get_byte($, 0) # 1)"],
  "timestamp with time zone": ["$ + interval '1 second'"],
  jsonb: [`$ || '{"tampered": 1}'`],
  "text[]": ["array_append($, 'tampered')"],
};

const inEmptyCell: Record<string, string> = {
  uuid: "gen_random_uuid()",
  bigint: "1",
  integer: "1",
  text: "'x'",
  bytea: "'\\x01'",
  "timestamp with time zone": "now()",
  jsonb: "'{}'",
};

/** What else the cell could say: something new, or what another row says. */
async function valuesFor(client: Queryable, column: Column, row: Record<string, unknown>): Promise<string[]> {
  const { table, column: name, type } = column;
  if (row[name] === null) return [inEmptyCell[type] ?? "NULL"];
  const given = (byType[type] ?? []).map((value) => value.replaceAll("$", `"${name}"`));
  if (type === "uuid") return [...given, ...(await others(client, table, name, row))];
  return [...given, ...(type in byType ? [] : await labelsOf(client, type, row[name]))];
}

async function others(
  client: Queryable,
  table: string,
  column: string,
  row: Record<string, unknown>,
): Promise<string[]> {
  const { rows } = await client.query<{ value: string }>(
    `SELECT DISTINCT quote_literal("${column}") AS value FROM "${table}" WHERE "${column}" <> $1 LIMIT 1`,
    [row[column]],
  );
  return rows.map(({ value }) => value);
}

async function labelsOf(client: Queryable, type: string, value: unknown): Promise<string[]> {
  const { rows } = await client.query<{ label: string }>(
    "SELECT quote_literal(enumlabel) AS label FROM pg_enum WHERE enumtypid = to_regtype($1) AND enumlabel <> $2 LIMIT 1",
    [type, String(value)],
  );
  return rows.map(({ label }) => label);
}

/** False where the cell says so already. */
async function write(client: Queryable, { table, column, key }: Column, row: Record<string, unknown>, to: string) {
  const where = key.map((name, at) => `"${name}" IS NOT DISTINCT FROM $${at + 1}`).join(" AND ");
  const { rowCount } = await client.query(
    `UPDATE "${table}" SET "${column}" = ${to} WHERE ${where} AND "${column}" IS DISTINCT FROM ${to}`,
    key.map((name) => (typeof row[name] === "bigint" ? String(row[name]) : row[name])),
  );
  return rowCount === 1;
}
