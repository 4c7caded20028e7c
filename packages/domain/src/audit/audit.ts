/** Who did what to whom, append-only and chained by hash. */
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

/** Runs `work` in one transaction. */
export async function inTransaction<Result>(
  db: Pick<Database, "pool">,
  work: (client: { query: Database["pool"]["query"] }) => Promise<Result>,
): Promise<Result> {
  const client = await db.pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}
