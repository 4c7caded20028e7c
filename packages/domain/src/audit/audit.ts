/**
 * Who did what to whom, append-only and chained by hash. An act and its line are one transaction: `recordAct` is the way
 * in for everything that people and admins change, so that nothing changes without a line and no line tells of a change
 * that was not made.
 */
import { inTransaction, type Database, type Queryable } from "@codex-gateway/db";

export type Actor = { userId: string | null; email: string | null; address: string };

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
  work: (client: Queryable) => Promise<{ act: Act | null; result: Result }>,
): Promise<Result> {
  const done = await inTransaction(
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
