/**
 * Tells of an upstream that is down, and of its recovery. Each process sees its own calls only: the first one that sees it
 * down tells it, and it is over when one has got an answer and none has seen a failure for a while. Time is told as ages,
 * since the clocks of several machines differ.
 */
import type { Database, Queryable } from "@codex-gateway/db";
import { decideAlerts, type UpstreamName } from "./alert.ts";

export type UpstreamSighting = {
  upstreamId: string;
  /** Null where its calls go through: `key_refused` is the operator's to mend. */
  fault: { reason: "key_refused" | "quota_used_up" | "failing"; status: number | null; failedAgoMs: number } | null;
  /** Since the last call that went through; null where none has. */
  answeredAgoMs: number | null;
};

/** How long a failure counts as the present state, and must be past before a recovery is told. */
const calmMs = 30_000;

export async function noteUpstreams(
  db: Pick<Database, "pool">,
  sightings: readonly UpstreamSighting[],
  { settleMs = calmMs }: { settleMs?: number } = {},
): Promise<void> {
  const isDown = sightings.some(({ fault }) => fault !== null && fault.failedAgoMs < settleMs);
  const { rowCount } = await db.pool.query("SELECT 1 FROM standing_alert WHERE kind = 'upstream_down' LIMIT 1");
  if (!isDown && rowCount === 0) return;
  await decideAlerts(db, async (client, raise) => {
    await client.query(`DELETE FROM standing_alert WHERE kind = 'upstream_down'
      AND subject NOT IN (SELECT id::text FROM upstream WHERE enabled)`);
    for (const { upstreamId, fault, answeredAgoMs } of sightings) {
      const upstream = await nameOf(client, upstreamId);
      if (!upstream) continue;
      if (fault && fault.failedAgoMs < settleMs) {
        const { reason, status, failedAgoMs } = fault;
        const facts = { ...upstream, reason, status };
        if (await isNews(client, upstreamId, facts, failedAgoMs)) await raise("upstream_down", facts);
      } else if (!fault && answeredAgoMs !== null) {
        const downSeconds = await endOutage(client, upstreamId, { settleMs, answeredAgoMs });
        if (downSeconds !== null) await raise("upstream_recovered", { ...upstream, downSeconds });
      }
    }
  });
}

async function nameOf(client: Queryable, upstreamId: string): Promise<UpstreamName | null> {
  const { rows } = await client.query<{ name: string; base_url: string }>(
    "SELECT name, base_url FROM upstream WHERE id = $1 AND enabled",
    [upstreamId],
  );
  return rows[0] ? { upstreamId, name: rows[0].name, host: new URL(rows[0].base_url).host } : null;
}

/** Notes the failure; true where the outage was not known. */
async function isNews(client: Queryable, upstreamId: string, facts: object, failedAgoMs: number): Promise<boolean> {
  const { rows } = await client.query<{ is_new: boolean }>(
    `INSERT INTO standing_alert AS s (kind, subject, facts, last_seen_at)
       VALUES ('upstream_down', $1, $2, now() - $3::float8 * interval '1 ms')
     ON CONFLICT (kind, subject) DO UPDATE SET last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at)
     RETURNING xmax = 0 AS is_new`,
    [upstreamId, JSON.stringify(facts), failedAgoMs],
  );
  return rows[0]?.is_new === true;
}

/** For how long it was down; null where it was not, or may still be. */
async function endOutage(
  client: Queryable,
  upstreamId: string,
  { settleMs, answeredAgoMs }: { settleMs: number; answeredAgoMs: number },
): Promise<number | null> {
  const { rows } = await client.query<{ seconds: number }>(
    `DELETE FROM standing_alert WHERE kind = 'upstream_down' AND subject = $1
       AND last_seen_at < now() - $2::float8 * interval '1 ms' AND last_seen_at < now() - $3::float8 * interval '1 ms'
     RETURNING extract(epoch FROM now() - since)::int AS seconds`,
    [upstreamId, settleMs, answeredAgoMs],
  );
  return rows[0]?.seconds ?? null;
}
