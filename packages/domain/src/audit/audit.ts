/**
 * Who did what to whom, append-only and chained by hash. An act and its line are one transaction: `recordAct` is the way
 * in for everything that people and admins change, so that nothing changes without a line and no line tells of a change
 * that was not made.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@codex-gateway/db";

export type Actor = { userId: string | null; email: string | null; address: string };

/** A transaction that is open. */
export type Client = { query: Database["pool"]["query"] };

type Target = {
  action: string;
  targetKind: "user" | "api_key" | "system" | "upstream" | "price" | "redeem_batch";
  targetId: string | null;
};
/** Something that happened and changed nothing, such as a wrong password or a test. Without secrets. */
export type AuditEvent = Target & { details?: Record<string, unknown> };

/** Null: nothing was there before, or is there after. Without secrets. */
type State = string | Record<string, unknown> | null;
/** A change: what was before, what is after, and what else is to be known of it. */
export type Act = AuditEvent & { before: State; after: State };

type Queryable = { query: (text: string, values: unknown[]) => Promise<unknown> };

/** Writes one line of the audit log by itself: for what changes nothing else. */
export async function recordEvent({ pool }: Pick<Database, "pool">, actor: Actor, event: AuditEvent): Promise<void> {
  await appendAudit(pool, actor, event);
}

/**
 * Runs `work` and writes its line in one transaction: both stand, or neither. An `act` of null says that nothing was to be
 * changed; whatever `work` wrote is rolled back then.
 */
export async function recordAct<Result>(
  db: Pick<Database, "pool">,
  actor: Actor,
  work: (client: Client) => Promise<{ act: Act | null; result: Result }>,
): Promise<Result> {
  const done = await runTransaction(
    db,
    async (client) => {
      const made = await work(client);
      if (made.act) {
        const { before, after, details, ...target } = made.act;
        await appendAudit(client, actor, { ...target, details: { before, after, ...details } });
      }
      return made;
    },
    ({ act }) => act !== null,
  );
  return done.result;
}

/** Writes one line within the caller's transaction; `recordAct` and `recordEvent` are what acts go through. */
export async function appendAudit(client: Queryable, actor: Actor, event: AuditEvent): Promise<void> {
  await client.query("SELECT append_audit($1, $2, $3, $4, $5, $6, $7)", [
    actor.userId,
    actor.email,
    event.action,
    event.targetKind,
    event.targetId,
    actor.address,
    JSON.stringify(event.details ?? {}),
  ]);
}

/** Runs `work` in one transaction; `runTransaction` says when twice. */
export const inTransaction = <Result>(db: Pick<Database, "pool">, work: Work<Result>): Promise<Result> =>
  runTransaction(db, work, () => true);

type Work<Result> = (client: Client) => Promise<Result>;

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
