import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "./database.ts";

/** What statements are sent through: the pool, one of its connections, or a transaction that is open on one. */
export type Queryable = { query: Database["pool"]["query"] };

type Work<Result> = (client: Queryable) => Promise<Result>;

/** A deadlock, or a conflict of two transactions: PostgreSQL has undone this one, and it may well go through next time. */
const mayGoThrough = new Set(["40P01", "40001"]);
const attempts = 4;
const pauseMs = 30;

/**
 * Runs `work` in one transaction, which stands where `isWanted` says so of its result. What the database has undone for
 * another transaction's sake is run again, a few times: `work` changes nothing but what it does through its client.
 */
export async function inTransaction<Result>(
  db: Pick<Database, "pool">,
  work: Work<Result>,
  isWanted: (result: Result) => boolean = () => true,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(db, work, isWanted);
    } catch (error) {
      if (attempt >= attempts || !mayGoThrough.has(String((error as { code?: unknown }).code))) throw error;
      await sleep(pauseMs * attempt * (0.5 + Math.random()));
    }
  }
}

async function runOnce<Result>(
  db: Pick<Database, "pool">,
  work: Work<Result>,
  isWanted: (result: Result) => boolean,
): Promise<Result> {
  const client = await db.pool.connect();
  let isBroken = false;
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query(isWanted(result) ? "COMMIT" : "ROLLBACK");
    return result;
  } catch (error) {
    // A connection whose transaction cannot be ended is none for others.
    isBroken = await client.query("ROLLBACK").then(
      () => false,
      () => true,
    );
    throw error;
  } finally {
    client.release(isBroken);
  }
}
