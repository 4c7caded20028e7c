/**
 * Who owns open holds. A process renews its lease every 5 s; once a lease has run out, any other process settles what
 * the dead one left open.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";

export type Instance = { id: string; epoch: bigint };

/** How long a process may stay silent before its holds are settled by others. */
export const leaseMs = 30_000;
export const heartbeatMs = 5_000;

/**
 * A hold's id is made when its request arrives, and the hold stands once the request's body is there. So long before a
 * heartbeat, ids of holds may lie that are placed after it.
 */
const slowestUploadMs = 10 * 60_000;

/** The lowest id (uuid v7) of that millisecond. */
function lowestIdAt(atMs: number): string {
  const hex = Math.max(0, Math.trunc(atMs)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

export async function openInstance({ pool }: Pick<Database, "pool">): Promise<Instance> {
  const id = randomUUID();
  await pool.query(
    `INSERT INTO instance (id, epoch, lease_until, oldest_open_hold) VALUES ($1, 1, now() + $2 * interval '1 ms', $3)`,
    [id, leaseMs, lowestIdAt(Date.now() - slowestUploadMs)],
  );
  return { id, epoch: 1n };
}

type Renewal = {
  /** The database's clock, in milliseconds. */
  databaseNowMs: number;
  /** The row was gone, as after a failover to a standby that lagged, and stands again. */
  wasLost: boolean;
};

/** `oldestOpenHold` is where others start to look should this be the last heartbeat. */
export async function renewLease(
  { pool }: Pick<Database, "pool">,
  { id, epoch }: Instance,
  oldestOpenHold: string | null,
): Promise<Renewal> {
  const lowest = lowestIdAt(Date.now() - slowestUploadMs);
  const { rows } = await pool.query<{ now_ms: number; was_lost: boolean }>(
    `INSERT INTO instance AS i (id, epoch, lease_until, oldest_open_hold)
       VALUES ($1, $4, now() + $2 * interval '1 ms', $3)
     ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, oldest_open_hold = excluded.oldest_open_hold,
       reaped_at = NULL
     RETURNING extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms, xmax = 0 AS was_lost`,
    [id, leaseMs, oldestOpenHold !== null && oldestOpenHold < lowest ? oldestOpenHold : lowest, String(epoch)],
  );
  return { databaseNowMs: rows[0]?.now_ms ?? Number.NaN, wasLost: rows[0]?.was_lost ?? false };
}

/** Gives the lease back: what is still open may be settled by others at once. */
export async function closeInstance({ pool }: Pick<Database, "pool">, { id }: Instance): Promise<void> {
  await pool.query("UPDATE instance SET lease_until = now() WHERE id = $1", [id]);
}

/** For a restored backup: the processes that it names are not here, and what they held is settled by others. */
export async function endAllLeases({ pool }: Pick<Database, "pool">): Promise<void> {
  await pool.query("UPDATE instance SET lease_until = now() - interval '1 ms', reaped_at = NULL");
}

/** Which processes count as dead. */
export type Dead = {
  /** Those whose lease had run out by then, by the database's clock; null: by now. */
  deadAt: string | null;
  /** Not this one, whatever its lease says: it lives. */
  except: string | null;
  /** Of these alone; null: of all. */
  only?: readonly string[] | null;
};

/**
 * Gives a row to each process that has open holds, younger than `maxAgeMs`, and no row: one that died before it could renew
 * it. Its lease is a new one, so that a process that lives is heard of before it runs out. Answers how many there were.
 */
export async function restoreInstances({ pool }: Pick<Database, "pool">, maxAgeMs: number): Promise<number> {
  const { rowCount } = await pool.query(
    `INSERT INTO instance (id, epoch, lease_until, oldest_open_hold)
     SELECT h.instance_id, max(h.instance_epoch), now() + $2 * interval '1 ms', (array_agg(h.id ORDER BY h.id))[1] FROM hold h
     WHERE h.id >= $1 AND h.state = 'open' AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.id = h.instance_id)
     GROUP BY h.instance_id ON CONFLICT (id) DO NOTHING`,
    [lowestIdAt(Date.now() - maxAgeMs), leaseMs],
  );
  return rowCount ?? 0;
}
