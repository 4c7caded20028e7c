/** Who did what to whom, append-only and chained by hash. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@codex-gateway/db";

export type Actor = { userId: string | null; email: string | null; address: string };

export type Act = {
  action: string;
  targetKind: "user" | "api_key" | "system" | "upstream" | "price" | "redeem_batch";
  targetId: string | null;
  /** `{ before, after, note }`, without secrets. */
  details?: Record<string, unknown>;
};

type Queryable = { query: (text: string, values: unknown[]) => Promise<unknown> };

/** Writes one line of the audit log. `client` may be a transaction, so that the act and its line stand or fall together. */
export async function appendAudit(client: Queryable, actor: Actor, act: Act): Promise<void> {
  await client.query("SELECT append_audit($1, $2, $3, $4, $5, $6, $7)", [
    actor.userId,
    actor.email,
    act.action,
    act.targetKind,
    act.targetId,
    actor.address,
    JSON.stringify(act.details ?? {}),
  ]);
}

/** Runs `work` in one transaction; `runTransaction` says when twice. */
export const inTransaction = <Result>(db: Pick<Database, "pool">, work: Work<Result>): Promise<Result> =>
  runTransaction(db, work, () => true);

type Work<Result> = (client: { query: Database["pool"]["query"] }) => Promise<Result>;

/** A deadlock, or a conflict of two transactions: PostgreSQL has undone this one, and it may well go through next time. */
const mayGoThrough = new Set(["40P01", "40001"]);
const attempts = 4;
const pauseMs = 30;

/**
 * Runs `work` in one transaction, which stands where `isWanted` says so of its result. What the database has undone for
 * another transaction's sake is run again, a few times: `work` changes nothing but what it does through its client.
 */
export async function runTransaction<Result>(
  db: Pick<Database, "pool">,
  work: Work<Result>,
  isWanted: (result: Result) => boolean,
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
