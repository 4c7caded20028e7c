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
 * What each kind of pool may take of the database. Milliseconds; 0: no limit. A transaction that is left open, by a process
 * that stands still or forgets it, ends after `idleInTransaction`, and with it the locks of its rows.
 */
const budgets = {
  /** Batches of holds and settlements: clients wait for it. Who waits for a lock goes another way. */
  ledger: { connections: 4, connect: 900, statement: 5_000, lock: 50, idleInTransaction: 5_000 },
  /** What calls read, such as whose a key is: strangers ask as well, and no batch is to wait behind them. */
  lookups: { connections: 2, connect: 900, statement: 5_000, lock: 200, idleInTransaction: 5_000 },
  /** Pages, jobs, alerts. */
  app: { connections: 8, connect: 5_000, statement: 60_000, lock: 5_000, idleInTransaction: 15_000 },
  /** Migrations, backup, restore and verify: as long as it takes, and no lock is waited for without end. */
  commands: { connections: 8, connect: 5_000, statement: 0, lock: 60_000, idleInTransaction: 600_000 },
} as const;

type CallUse = "ledger" | "lookups";
export type DatabaseUse = Exclude<keyof typeof budgets, CallUse>;

const poolOptions = (url: string, use: keyof typeof budgets): pg.PoolConfig => ({
  connectionString: url,
  max: budgets[use].connections,
  connectionTimeoutMillis: budgets[use].connect,
  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool waits for it, and its types do not say so
  onConnect: async (client) => {
    await client.query(limitsOf(use));
  },
  types,
});

/** Set by a statement, and not as the connection is opened: poolers such as PgBouncer refuse connections that say more than who they are. */
const limitsOf = (use: keyof typeof budgets): string => {
  const { statement, lock, idleInTransaction } = budgets[use];
  return `SET statement_timeout = ${statement}; SET lock_timeout = ${lock};
    SET idle_in_transaction_session_timeout = ${idleInTransaction}`;
};

/** A server that is gone without a word says nothing of its own timeout. */
const answerMs = (use: CallUse): number => budgets[use].statement + 1_000;

/**
 * A pool for statements that clients wait for: none may take longer than 5 s, or wait for a lock longer than a moment, and
 * a database that cannot be connected to is known within a second. Its connections are kept: one is opened in several round
 * trips and a slow hash, half a second of a busy process, for which everybody's batch would wait.
 */
export function openCallPool(url: string, use: CallUse): pg.Pool {
  const keeping = { idleTimeoutMillis: 0, query_timeout: answerMs(use), pipeline: true };
  const pool = new pg.Pool({ ...poolOptions(url, use), ...keeping });
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** Opens all of a pool's connections ahead of the first call. @throws Error where the database does not take them */
export async function fillPool(pool: pg.Pool): Promise<void> {
  const opening = Array.from({ length: pool.options.max }, () => pool.connect());
  const opened = await Promise.allSettled(opening);
  for (const each of opened) if (each.status === "fulfilled") each.value.release();
  await Promise.all(opening);
}

/** Opens a pool; connects lazily. `close` waits for running queries. */
export function openDatabase(
  url: string,
  { use = "app", maxConnections = budgets[use].connections }: { use?: DatabaseUse; maxConnections?: number } = {},
): Database {
  const pool = new pg.Pool({ ...poolOptions(url, use), max: maxConnections });
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
