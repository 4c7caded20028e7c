/** Alerts that have yet to be sent, each taken by one process at a time, and tried again with growing pauses. */
import type { Database } from "@codex-gateway/db";
import type { Alert, AlertChannel } from "./alert.ts";

/** `recipient`: of an e-mail; null where the settings name them. */
export type Delivery = { channel: AlertChannel; recipient: string | null; alert: Alert; attempts: number };

/** A process that takes a delivery has this long for it before another one tries. */
const firstRetryMs = 30_000;
const maxRetryMs = 3_600_000;
/** About nine hours in all. */
const maxAttempts = 16;
const keptDays = 90;

/** Takes what is due, at most ten, and first what is for whoever runs the gateway. What is not marked as delivered comes up again, later each time. */
export async function takeDeliveries(
  { pool }: Pick<Database, "pool">,
  { retryMs = firstRetryMs }: { retryMs?: number } = {},
): Promise<Delivery[]> {
  type Row = {
    channel: AlertChannel;
    recipient: string | null;
    attempts: number;
    id: string;
    kind: string;
    facts: unknown;
    created_at: Date;
  };
  const { rows } = await pool.query<Row>(
    `WITH due AS (
       SELECT alert_id, channel FROM alert_delivery WHERE due_at <= now()
       ORDER BY recipient IS NOT NULL, due_at LIMIT 10 FOR UPDATE SKIP LOCKED
     ), taken AS (
       UPDATE alert_delivery d SET attempts = d.attempts + 1,
         due_at = now() + least($1::float8 * 2 ^ d.attempts, $2) * interval '1 ms'
       FROM due WHERE d.alert_id = due.alert_id AND d.channel = due.channel RETURNING d.*
     )
     SELECT t.channel, t.recipient, t.attempts, a.id, a.kind, a.facts, a.created_at
     FROM taken t JOIN alert a ON a.id = t.alert_id ORDER BY a.created_at`,
    [retryMs, maxRetryMs],
  );
  return rows.map(({ channel, recipient, attempts, id, kind, facts, created_at }) => ({
    channel,
    recipient,
    attempts,
    alert: { id, kind, facts, createdAt: created_at } as Alert,
  }));
}

/** `fault` null: it is delivered. After the last attempt it is given up; true then. */
export async function noteDelivery(
  { pool }: Pick<Database, "pool">,
  { alert, channel, attempts }: Omit<Delivery, "recipient">,
  fault: string | null,
): Promise<boolean> {
  const isGivenUp = fault !== null && attempts >= maxAttempts;
  await pool.query(
    `UPDATE alert_delivery SET fault = coalesce($3, fault), failed_at = CASE WHEN $3::text IS NULL THEN failed_at ELSE now() END,
       delivered_at = CASE WHEN $3::text IS NULL THEN now() END,
       due_at = CASE WHEN $3::text IS NULL OR $4 THEN NULL ELSE due_at END WHERE alert_id = $1 AND channel = $2`,
    [alert.id, channel, fault, isGivenUp],
  );
  return isGivenUp;
}

/** `isOver`: a later delivery of the channel went well. */
export type DeliveryFailure = { failedAt: Date; fault: string; isOver: boolean };

/** The last failure of each channel to whoever runs the gateway, in the time that alerts are kept; null where there was none. */
export async function readLastFailures({
  pool,
}: Pick<Database, "pool">): Promise<Record<AlertChannel, DeliveryFailure | null>> {
  const { rows } = await pool.query<DeliveryFailure & { channel: AlertChannel }>(
    `SELECT DISTINCT ON (channel) channel, failed_at AS "failedAt", fault,
       EXISTS (SELECT 1 FROM alert_delivery later WHERE later.channel = d.channel AND later.recipient IS NULL
         AND later.delivered_at > d.failed_at) AS "isOver"
     FROM alert_delivery d WHERE failed_at IS NOT NULL AND fault IS NOT NULL AND recipient IS NULL
     ORDER BY channel, failed_at DESC`,
  );
  const of = (wanted: AlertChannel) => {
    const row = rows.find(({ channel }) => channel === wanted);
    return row ? { failedAt: row.failedAt, fault: row.fault, isOver: row.isOver } : null;
  };
  return { webhook: of("webhook"), email: of("email") };
}

export async function forgetOldAlerts({ pool }: Pick<Database, "pool">): Promise<void> {
  await pool.query("DELETE FROM alert WHERE created_at < now() - $1::int * interval '1 day'", [keptDays]);
  await pool.query(
    "DELETE FROM standing_alert WHERE kind = 'password_guesses' AND last_seen_at < now() - interval '1 day'",
  );
}
