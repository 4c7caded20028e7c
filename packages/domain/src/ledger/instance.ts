/**
 * Who owns open holds. A process renews its lease every 5 s; once a lease has run out, any other process settles what
 * the dead one left open, by what is known of each call.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { costNanoUsd, type UsageUnits } from "../prices/cost.ts";
import { pricesFromJson, type PricesJson } from "../prices/prices-json.ts";
import type { Capture, Ledger } from "./ledger.ts";

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

/** `oldestOpenHold` is where others start to look should this be the last heartbeat. */
export async function renewLease(
  { pool }: Pick<Database, "pool">,
  { id }: Instance,
  oldestOpenHold: string | null,
): Promise<void> {
  const lowest = lowestIdAt(Date.now() - slowestUploadMs);
  await pool.query(
    `UPDATE instance SET lease_until = now() + $2 * interval '1 ms', oldest_open_hold = $3, reaped_at = NULL WHERE id = $1`,
    [id, leaseMs, oldestOpenHold !== null && oldestOpenHold < lowest ? oldestOpenHold : lowest],
  );
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
};

type Orphan = {
  id: string;
  /** A reserve: nothing was asked for under it. */
  is_unused: boolean;
  amount_nano_usd: bigint;
  input_tokens_bound: bigint;
  estimated_input_tokens: bigint | null;
  observed_output_tokens: bigint;
  upstream_response_id: string | null;
  age_ms: number;
  prices: PricesJson;
  markup_ppm: number;
};

/** What a provider says that an ended response used; null: it does not know it, or does not say. */
export type RecallResponse = (id: string) => Promise<Recalled | null>;

type Recalled =
  | { outcome: "used"; upstreamId: string; usage: UsageUnits; serviceTier: string | null; servedModel: string | null }
  | { outcome: "nothing" };

/** So many responses are asked for at once, */
const recalledAtOnce = 16;
/** and so long: what is then not known is settled by what was seen, so that no hold of a dead process stays open. */
const recallingMs = 1_000;

/** A token of English text is about four bytes; used where the process died before it had counted. */
const bytesPerToken = 4n;

/**
 * Settles the open holds of dead instances: by what the provider says of the response, or else by the prompt and what was
 * seen of the output, never above the hold, flagged so that an admin can give it back. Several processes may do it at
 * once: a hold is settled once. Answers how many were.
 */
export async function reapOrphans(
  { pool }: Pick<Database, "pool">,
  ledger: Ledger,
  recall: RecallResponse = () => Promise.resolve(null),
  { deadAt = null, except = null }: Partial<Dead> = {},
): Promise<number> {
  const { rows } = await pool.query<Orphan>(
    `SELECT h.id, h.dispatched_at IS NULL AS is_unused, h.amount_nano_usd, h.input_tokens_bound, h.estimated_input_tokens, h.observed_output_tokens,
       h.upstream_response_id, (extract(epoch FROM now() - h.created_at) * 1000)::int AS age_ms, p.prices, p.markup_ppm
     FROM instance i
     CROSS JOIN LATERAL (
       SELECT * FROM hold WHERE hold.id >= i.oldest_open_hold AND hold.instance_id = i.id AND hold.state = 'open' LIMIT 1000
     ) h
     JOIN price_version p ON p.id = h.price_version_id
     WHERE i.reaped_at IS NULL AND i.lease_until < coalesce($1::timestamptz, now()) AND i.id IS DISTINCT FROM $2`,
    [deadAt, except],
  );
  if (rows.length === 0) await pool.query(markReaped);
  const untilMs = Date.now() + recallingMs;
  let settled = 0;
  for (let at = 0; at < rows.length; at += recalledAtOnce) {
    const part = rows.slice(at, at + recalledAtOnce).map(async (orphan) => {
      if (orphan.is_unused) return ledger.release(orphan.id);
      const recalled = Date.now() < untilMs ? await recallOrphan(recall, orphan) : null;
      return recalled === "nothing"
        ? ledger.release(orphan.id)
        : ledger.capture({ ...orphanCapture(orphan), ...(recalled ?? seenOf(orphan)) });
    });
    settled += (await Promise.all(part)).filter(({ didSettle }) => didSettle).length;
  }
  return settled;
}

/** A process that was only slow may still commit what it had begun, so that a dead one is looked at for a while. */
const markReaped = `UPDATE instance SET reaped_at = now() WHERE reaped_at IS NULL AND lease_until < now() - interval '2 minutes'`;

type Evidence = Pick<Capture, "usage" | "costNanoUsd" | "basis"> & Partial<Capture>;

/** Exact, where the provider has the whole response and it costs no more than was held for it. */
async function recallOrphan(recall: RecallResponse, orphan: Orphan): Promise<Evidence | "nothing" | null> {
  if (orphan.upstream_response_id === null) return null;
  const recalled = await recall(orphan.upstream_response_id).catch(() => null);
  if (!recalled) return null;
  if (recalled.outcome === "nothing") return "nothing";
  const { upstreamId, usage, serviceTier, servedModel } = recalled;
  const cost = costNanoUsd(pricesFromJson(orphan.prices, orphan.markup_ppm), usage, serviceTier);
  if (cost > orphan.amount_nano_usd) return null;
  return { upstreamId, usage, serviceTier, servedModel, costNanoUsd: cost, basis: "exact" };
}

function seenOf(orphan: Orphan): Evidence {
  const input = orphan.estimated_input_tokens ?? (orphan.input_tokens_bound + bytesPerToken - 1n) / bytesPerToken;
  const prices = pricesFromJson(orphan.prices, orphan.markup_ppm);
  const usage = {
    input: Number(input),
    cached_input: 0,
    cache_write: 0,
    output: Number(orphan.observed_output_tokens),
  };
  const isWithin = costNanoUsd(prices, usage, null) <= orphan.amount_nano_usd;
  // Above the hold nothing is charged for the output, and the prompt was held for in any case.
  const charged = isWithin ? usage : { ...usage, output: 0 };
  return { usage: charged, costNanoUsd: costNanoUsd(prices, charged, null), basis: "orphan" };
}

const orphanCapture = (orphan: Orphan) => ({
  id: orphan.id,
  flags: ["process_died"],
  servedModel: null,
  serviceTier: null,
  upstreamId: null,
  upstreamRequestId: null,
  upstreamResponseId: orphan.upstream_response_id,
  status: 0,
  isStream: orphan.upstream_response_id !== null,
  timeToFirstByteMs: null,
  latencyMs: orphan.age_ms,
});
