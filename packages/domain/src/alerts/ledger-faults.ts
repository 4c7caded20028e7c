/** Tells of what the ledger could not enter as it was, and of a process whose log cannot be written. */
import type { Database } from "@codex-gateway/db";
import { decideAlerts } from "./alert.ts";

/** So many request ids in one alert; all of them stand in the table. */
const mostIds = 20;

/** Tells of the dead letters that nobody was told of, all of them at once. */
export async function noteDeadLetters(db: Pick<Database, "pool">): Promise<void> {
  const { rowCount } = await db.pool.query("SELECT 1 FROM dead_letter WHERE told_at IS NULL LIMIT 1");
  if (rowCount === 0) return;
  await decideAlerts(db, async (client, raise) => {
    const { rows } = await client.query<{ hold_id: string | null; outcome: string }>(
      "UPDATE dead_letter SET told_at = now() WHERE told_at IS NULL RETURNING hold_id, outcome",
    );
    if (rows.length === 0) return;
    const requestIds = rows.flatMap(({ hold_id }) => hold_id ?? []).slice(0, mostIds);
    const open = rows.filter(({ outcome }) => outcome === "open").length;
    await raise("settlements_set_aside", { count: rows.length, open, requestIds });
  });
}

export type LogSighting = {
  instanceId: string;
  /** Null where it can be written. */
  fault: string | null;
};

/** A process that died with a log that could not be written says nothing of it any more. */
const forgottenAfter = "interval '1 hour'";

/** To be called by each process while its log cannot be written, and once when it can again. */
export async function noteLog(db: Pick<Database, "pool">, { instanceId, fault }: LogSighting): Promise<void> {
  await decideAlerts(db, async (client, raise) => {
    await client.query(
      `DELETE FROM standing_alert WHERE kind = 'log_unwritable' AND last_seen_at < now() - ${forgottenAfter}`,
    );
    if (fault === null) {
      const { rowCount } = await client.query(
        "DELETE FROM standing_alert WHERE kind = 'log_unwritable' AND subject = $1",
        [instanceId],
      );
      if (rowCount) await raise("log_writable", { instanceId });
      return;
    }
    const { rows } = await client.query<{ is_new: boolean }>(
      `INSERT INTO standing_alert AS s (kind, subject, facts) VALUES ('log_unwritable', $1, $2)
       ON CONFLICT (kind, subject) DO UPDATE SET last_seen_at = now() RETURNING xmax = 0 AS is_new`,
      [instanceId, JSON.stringify({ reason: fault })],
    );
    if (rows[0]?.is_new === true) await raise("log_unwritable", { instanceId, reason: fault });
  });
}
