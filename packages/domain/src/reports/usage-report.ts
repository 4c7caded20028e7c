/** A user's charges as a table: filtered by days, model and key, in pages, with the totals of the whole range. */
import type { Database } from "@codex-gateway/db";
import { cachedTokensOf, inputTokensOf, outputTokensOf, usdOf, type UsageUnits } from "@codex-gateway/ledger";
import { refundSource } from "../calls/refund.ts";

type Reader = Pick<Database, "pool">;

export type UsageFilter = {
  userId: string;
  /** Days of the viewer, `YYYY-MM-DD`, both included. */
  fromDay: string;
  toDay: string;
  timeZone: string;
  model: string | null;
  apiKeyId: string | null;
};

export type UsageRow = {
  requestId: string;
  createdAt: Date;
  model: string;
  endpoint: string;
  keyName: string;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  costUsd: string;
  latencyMs: number;
  basis: "exact" | "observed" | "estimate" | "orphan";
  /** An admin gave the cost back. */
  isRefunded: boolean;
};

type UsageTotals = { requests: number; inputTokens: number; outputTokens: number; costUsd: string };

/** From the roll-ups, so that a year costs what a day costs. */
export async function readUsageTotals({ pool }: Reader, filter: UsageFilter): Promise<UsageTotals> {
  type Row = { requests: bigint; input: bigint; output: bigint; cost: bigint };
  const { rows } = await pool.query<Row>(
    `SELECT coalesce(sum(requests), 0)::bigint AS requests, coalesce(sum(input_tokens), 0)::bigint AS input,
       coalesce(sum(output_tokens), 0)::bigint AS output, coalesce(sum(cost_nano_usd), 0)::bigint AS cost
     FROM usage_rollup r
     WHERE r.account_id = (SELECT id FROM account WHERE user_id = $1 AND kind = 'wallet')
       AND r.hour >= $2::date::timestamp AT TIME ZONE $4 AND r.hour < ($3::date + 1)::timestamp AT TIME ZONE $4
       AND ($5::text IS NULL OR r.model = $5) AND ($6::uuid IS NULL OR r.api_key_id = $6)`,
    [filter.userId, filter.fromDay, filter.toDay, filter.timeZone, filter.model, filter.apiKeyId],
  );
  const row = rows[0];
  return {
    requests: Number(row?.requests ?? 0n),
    inputTokens: Number(row?.input ?? 0n),
    outputTokens: Number(row?.output ?? 0n),
    costUsd: usdOf(row?.cost ?? 0n),
  };
}

/** Newest first. Charges lie in the order of their ids, which rise with time (UUID version 7). */
export async function listUsage(
  { pool }: Reader,
  filter: UsageFilter,
  { limit, offset }: { limit: number; offset: number },
): Promise<UsageRow[]> {
  type Row = {
    hold_id: string;
    created_at: Date;
    model: string;
    endpoint: string;
    key_name: string;
    usage: UsageUnits;
    cost: bigint;
    latency_ms: number;
    basis: UsageRow["basis"];
    is_refunded: boolean;
  };
  const { rows } = await pool.query<Row>(
    `SELECT c.hold_id, c.created_at, c.model, c.endpoint, k.name AS key_name, c.usage, c.cost_nano_usd AS cost, c.latency_ms,
       c.basis, EXISTS (SELECT 1 FROM adjustment r WHERE r.source = '${refundSource}' AND r.source_id = c.hold_id::text) AS is_refunded
     FROM corrected_charge c JOIN api_key k ON k.id = c.api_key_id
     WHERE c.account_id = (SELECT id FROM account WHERE user_id = $1 AND kind = 'wallet')
       AND c.created_at >= $2::date::timestamp AT TIME ZONE $4
       AND c.created_at < ($3::date + 1)::timestamp AT TIME ZONE $4
       AND c.hold_id >= lowest_id_at(($2::date::timestamp AT TIME ZONE $4) - interval '1 day')
       AND c.hold_id < lowest_id_at(($3::date + 1)::timestamp AT TIME ZONE $4)
       AND ($5::text IS NULL OR c.model = $5) AND ($6::uuid IS NULL OR c.api_key_id = $6)
     ORDER BY c.hold_id DESC LIMIT $7 OFFSET $8`,
    [filter.userId, filter.fromDay, filter.toDay, filter.timeZone, filter.model, filter.apiKeyId, limit, offset],
  );
  return rows.map((row) => ({
    requestId: row.hold_id,
    createdAt: row.created_at,
    model: row.model,
    endpoint: row.endpoint,
    keyName: row.key_name,
    inputTokens: inputTokensOf(row.usage),
    cachedTokens: cachedTokensOf(row.usage),
    outputTokens: outputTokensOf(row.usage),
    costUsd: usdOf(row.cost),
    latencyMs: row.latency_ms,
    basis: row.basis,
    isRefunded: row.is_refunded,
  }));
}

/** The models that a user has used. */
export async function listUsedModels({ pool }: Reader, userId: string): Promise<string[]> {
  const { rows } = await pool.query<{ model: string }>(
    `SELECT DISTINCT r.model FROM usage_rollup r
     WHERE r.account_id = (SELECT id FROM account WHERE user_id = $1 AND kind = 'wallet') ORDER BY r.model LIMIT 200`,
    [userId],
  );
  return rows.map(({ model }) => model);
}
