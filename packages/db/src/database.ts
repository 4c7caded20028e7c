import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaClient } from "./generated/client.ts";

/** One pool that both Prisma and the ledger's own SQL use. */
export type Database = { pool: pg.Pool; prisma: PrismaClient; close(): Promise<void> };

const int8Oid = 20;

/** Money is int8: on this pool it is read as bigint, so that no amount passes through a float. */
const types = {
  getTypeParser: (oid: number, format?: string): unknown =>
    oid === int8Oid && format !== "binary"
      ? (text: string) => BigInt(text)
      : (pg.types.getTypeParser as (oid: number, format?: string) => unknown)(oid, format),
};

/**
 * A pool for the statements that clients wait for: none may take longer than 5 s, or wait for a lock longer than 2 s, and
 * a database that cannot be connected to is known within a second.
 */
export function openLedgerPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: 900,
    statement_timeout: 5_000,
    lock_timeout: 2_000,
    // A server that is gone without a word says nothing of its own timeout.
    query_timeout: 6_000,
    pipeline: true,
    types,
  });
  pool.on("error", () => undefined);
  return pool;
}

/** Opens a pool of at most `maxConnections`; connects lazily. `close` waits for running queries. */
export function openDatabase(url: string, { maxConnections = 8 } = {}): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
    types: types,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on("error", () => undefined);
  // So would one that breaks while a transaction has it: the pool listens only while nobody does.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: false }) });
  return {
    pool,
    prisma,
    close: async () => {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}
