/**
 * The role that a running gateway works as. It owns nothing: it can neither change the schema nor, whatever it is made to
 * say, alter or delete what is only ever added to. That the tables' triggers refuse it too is a second wall, which only
 * their owner can take down.
 */
import { createHmac } from "node:crypto";
import pg from "pg";
import { lockInTransaction } from "./advisory-locks.ts";
import { openDatabase } from "./database.ts";

export type AppRole = {
  /** The address of a database for this role, from one for the owner. */
  urlFor: (ownerUrl: string) => string;
};

/** One process at a time: PostgreSQL refuses two that change the same role. */

/** What Prisma's migrations and the SQL objects are recorded in is the owner's. */
const ownersTables = ["_prisma_migrations", "sql_object"];

/** Of a trigger's `tgtype`: what it fires before. */
const forbids = { DELETE: 8, UPDATE: 16 } as const;

/**
 * Makes the role of this database, or brings it up to date: its password, which is derived from the owner's, and its rights
 * on the tables as they are now. To be called after migrations, by a role that may.
 * @throws Error where the owner may not make roles, or the new one cannot log in
 */
export async function createAppRole(ownerUrl: string, ownerPassword: string): Promise<AppRole> {
  const owner = openDatabase(ownerUrl, { use: "commands", maxConnections: 1 });
  try {
    const { rows } = await owner.pool.query<{ name: string }>("SELECT current_database() || '_app' AS name");
    const name = rows[0]?.name ?? "";
    const password = createHmac("sha256", ownerPassword).update(`role ${name}`).digest("hex");
    await alterRole(owner.pool, name, password);
    const urlFor = (url: string) => withUser(url, name, password);
    await requireLogIn(urlFor(ownerUrl));
    return { urlFor };
  } finally {
    await owner.close();
  }
}

async function alterRole(pool: pg.Pool, name: string, password: string): Promise<void> {
  const client = await pool.connect();
  const role = client.escapeIdentifier(name);
  try {
    await client.query("BEGIN");
    await lockInTransaction(client, "appRole");
    const { rowCount } = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [name]);
    await client.query(
      `${rowCount ? "ALTER" : "CREATE"} ROLE ${role} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD ${client.escapeLiteral(password)}`,
    );
    await client.query(`GRANT USAGE ON SCHEMA public TO ${role}`);
    await client.query(`REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ${role}`);
    await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
    await client.query(`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role}`);
    for (const { act, table } of await readForbidden(client)) {
      await client.query(`REVOKE ${act} ON ${client.escapeIdentifier(table)} FROM ${role}`);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

/** What the triggers of append-only tables refuse, whoever asks, and what only the owner has to do with. */
async function readForbidden(client: pg.PoolClient): Promise<{ act: string; table: string }[]> {
  const { rows } = await client.query<{ act: string; table: string }>(
    `SELECT f.act, c.relname AS table
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid,
       (VALUES ('DELETE', $1::int), ('UPDATE', $2)) f (act, bit)
     WHERE p.proname = 'refuse_change' AND c.relnamespace = 'public'::regnamespace AND t.tgtype::int & f.bit <> 0
     UNION SELECT act, relname FROM pg_class, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) act
     WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($3)`,
    [forbids.DELETE, forbids.UPDATE, ownersTables],
  );
  return rows;
}

/** Something in between, such as a connection pooler, may know the owner alone. */
async function requireLogIn(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // A connection that breaks now makes the query fail.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query("SELECT 1 FROM setting LIMIT 1");
  } finally {
    await client.end();
  }
}

/** The scheme is no web address's: its user is replaced as text. */
function withUser(url: string, name: string, password: string): string {
  const [, scheme = "", rest = ""] = /^(postgres(?:ql)?:\/\/)(?:[^@/?]*@)?(.*)$/.exec(url) ?? [];
  return `${scheme}${encodeURIComponent(name)}:${password}@${rest}`;
}
