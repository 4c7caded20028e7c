import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { openDatabase, type Database } from "../database.ts";

export type TestDatabase = Database & { url: string; drop(): Promise<void> };

/** A migrated database of one's own, cloned from the run's template. */
export async function createTestDatabase({ maxConnections = 8 } = {}): Promise<TestDatabase> {
  const url = new URL(inject("templateUrl"));
  const template = url.pathname.slice(1);
  const name = `test_${randomBytes(6).toString("hex")}`;
  await administer(url, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  url.pathname = `/${name}`;
  const database = openDatabase(url.href, { maxConnections });
  const drop = async () => {
    await database.close();
    await administer(url, `DROP DATABASE ${name} WITH (FORCE)`);
  };
  return { ...database, url: url.href, drop };
}

async function administer(base: URL, sql: string): Promise<void> {
  const url = new URL(base);
  url.pathname = "/postgres";
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    // Clones of one template cannot be made at the same time.
    await client.query("SELECT pg_advisory_lock(1)");
    await client.query(sql);
  } finally {
    await client.end();
  }
}
