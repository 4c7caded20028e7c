/**
 * Open holds of processes that are dead: settled by what is known of each call, for at most what was held.
 */
import type { Database } from "@codex-gateway/db";
import type { OpenPrice, StoredPrice } from "../stored-price.ts";
import type { UsageUnits } from "../usage-units.ts";
import type { Dead } from "./instance.ts";
import type { Capture, Ledger, SettleOutcome } from "../ledger.ts";

export type OpenHold = {
  id: string;
  account_id: string;
  /** A reserve: nothing was asked for under it. */
  is_unused: boolean;
  amount_nano_usd: bigint;
  input_tokens_bound: bigint;
  estimated_input_tokens: bigint | null;
  observed_output_tokens: bigint;
  upstream_response_id: string | null;
  age_ms: number;
} & StoredPrice;

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

const holdColumns = `h.id, h.account_id, h.dispatched_at IS NULL AS is_unused, h.amount_nano_usd, h.input_tokens_bound,
  h.estimated_input_tokens, h.observed_output_tokens, h.upstream_response_id,
  least(extract(epoch FROM now() - h.created_at) * 1000, 2147483647)::int AS age_ms, p.prices, p.markup_ppm`;

/** Null where it is settled, or does not exist. */
export async function findOpenHold({ pool }: Pick<Database, "pool">, id: string): Promise<OpenHold | null> {
  const { rows } = await pool.query<OpenHold>(
    `SELECT ${holdColumns} FROM hold h JOIN price_version p ON p.id = h.price_version_id
     WHERE h.id = $1 AND h.state = 'open'`,
    [id],
  );
  return rows[0] ?? null;
}

export type ReapOptions = Partial<Dead> & {
  /** Processes whose holds are left for another time: what they knew exactly is still to be entered. */
  later?: string[];
};

export type Reaped = {
  settled: number;
  /** Why some could not be; they are tried again. */
  errors: unknown[];
};

/**
 * Settles the open holds of dead instances: by what the provider says of the response, or else by the prompt and what was
 * seen of the output, never above the hold, flagged so that an admin can give it back. Several processes may do it at
 * once: a hold is settled once. What an order is at fault for does not keep the others.
 */
export async function reapOrphans(
  { pool }: Pick<Database, "pool">,
  ledger: Ledger,
  recall: RecallResponse = () => Promise.resolve(null),
  { deadAt = null, except = null, only = null, later = [] }: ReapOptions = {},
): Promise<Reaped> {
  const { rows } = await pool.query<OpenHold>(
    `SELECT ${holdColumns}
     FROM instance i
     CROSS JOIN LATERAL (
       SELECT * FROM hold WHERE hold.id >= i.oldest_open_hold AND hold.instance_id = i.id AND hold.state = 'open'
         AND NOT EXISTS (SELECT 1 FROM dead_letter d WHERE d.hold_id = hold.id AND d.outcome = 'open') LIMIT 1000
     ) h
     JOIN price_version p ON p.id = h.price_version_id
     WHERE i.reaped_at IS NULL AND i.lease_until < coalesce($1::timestamptz, now()) AND i.id IS DISTINCT FROM $2
       AND i.id <> ALL ($3::uuid[]) AND ($4::uuid[] IS NULL OR i.id = ANY ($4))`,
    [deadAt, except, later, only],
  );
  if (rows.length === 0 && later.length === 0) await pool.query(markReaped);
  const untilMs = Date.now() + recallingMs;
  const reaped: Reaped = { settled: 0, errors: [] };
  for (let at = 0; at < rows.length; at += recalledAtOnce) {
    const part = rows.slice(at, at + recalledAtOnce).map((orphan) => settleOrphan(ledger, recall, { orphan, untilMs }));
    for (const outcome of await Promise.allSettled(part)) {
      if (outcome.status === "rejected") reaped.errors.push(outcome.reason);
      else if (outcome.value.didSettle) reaped.settled++;
    }
  }
  return reaped;
}

/**
 * Settles the holds of a living process that are older than any of its calls can be: what they belonged to has come to grief
 * without an end. Answers how many there were.
 */
export async function settleOverdue(
  { pool }: Pick<Database, "pool">,
  ledger: Ledger,
  recall: RecallResponse,
  { instanceId, overdueMs }: { instanceId: string; overdueMs: number },
): Promise<Reaped> {
  const { rows } = await pool.query<OpenHold>(
    `SELECT ${holdColumns} FROM hold h JOIN price_version p ON p.id = h.price_version_id
     WHERE h.instance_id = $1 AND h.state = 'open' AND h.dispatched_at IS NOT NULL
       AND h.created_at < now() - $2::float8 * interval '1 ms'
       AND NOT EXISTS (SELECT 1 FROM dead_letter d WHERE d.hold_id = h.id AND d.outcome = 'open')
     ORDER BY h.id LIMIT 100`,
    [instanceId, overdueMs],
  );
  const untilMs = Date.now() + recallingMs;
  const reaped: Reaped = { settled: 0, errors: [] };
  for (const outcome of await Promise.allSettled(
    rows.map((orphan) => settleOrphan(ledger, recall, { orphan, untilMs })),
  )) {
    if (outcome.status === "rejected") reaped.errors.push(outcome.reason);
    else if (outcome.value.didSettle) reaped.settled++;
  }
  return reaped;
}

async function settleOrphan(
  ledger: Ledger,
  recall: RecallResponse,
  { orphan, untilMs }: { orphan: OpenHold; untilMs: number },
): Promise<SettleOutcome> {
  const options = { accountId: orphan.account_id };
  if (orphan.is_unused) return ledger.release(orphan.id, options);
  const recalled = Date.now() < untilMs ? await recallOrphan(ledger.openPrice, recall, orphan) : null;
  if (recalled === "nothing") return ledger.release(orphan.id, options);
  return ledger.capture({ ...orphanCapture(orphan), ...(recalled ?? seenOf(ledger.openPrice, orphan)) }, options);
}

/** A process that was only slow may still commit what it had begun, so that a dead one is looked at for a while. */
const markReaped = `UPDATE instance SET reaped_at = now() WHERE reaped_at IS NULL AND lease_until < now() - interval '2 minutes'`;

type Evidence = Pick<Capture, "usage" | "costNanoUsd" | "basis"> & Partial<Capture>;

/** Exact, where the provider has the whole response and it costs no more than was held for it. */
async function recallOrphan(
  openPrice: OpenPrice,
  recall: RecallResponse,
  orphan: OpenHold,
): Promise<Evidence | "nothing" | null> {
  if (orphan.upstream_response_id === null) return null;
  const recalled = await recall(orphan.upstream_response_id).catch(() => null);
  if (!recalled) return null;
  if (recalled.outcome === "nothing") return "nothing";
  const { upstreamId, usage, serviceTier, servedModel } = recalled;
  const cost = openPrice(orphan)(usage, serviceTier);
  if (cost > orphan.amount_nano_usd) return null;
  return { upstreamId, usage, serviceTier, servedModel, costNanoUsd: cost, basis: "exact" };
}

/** What is charged without a word of how the call ended. */
export function seenOf(openPrice: OpenPrice, orphan: OpenHold): Evidence {
  const input = orphan.estimated_input_tokens ?? (orphan.input_tokens_bound + bytesPerToken - 1n) / bytesPerToken;
  const costOf = openPrice(orphan);
  const usageWith = (output: number) => ({ input: Number(input), cached_input: 0, cache_write: 0, output });
  const isWithin = (output: number) => costOf(usageWith(output), null) <= orphan.amount_nano_usd;
  // Its hold is extended as a stream runs, so that more may have come than was held for; the prompt was in any case.
  const charged = usageWith(mostThat(isWithin, Number(orphan.observed_output_tokens)));
  return { usage: charged, costNanoUsd: costOf(charged, null), basis: "orphan" };
}

/** The largest number up to `most` for which it holds; where it does for none, zero. What holds for one holds for less. */
function mostThat(holds: (count: number) => boolean, most: number): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

export const orphanCapture = (orphan: OpenHold) => ({
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
