/** What key holders may read of their money: balance, today's figures, and what each request cost and why. */
import type { Database } from "@codex-gateway/db";
import { inputTokensOf, usdOf, type UsageUnits } from "@codex-gateway/ledger";
import { findBand, findTier } from "../prices/cost.ts";
import { classPicoUsd } from "../prices/price-classes.ts";
import { pricesFromJson, type PricesJson } from "../prices/prices-json.ts";

type Reader = Pick<Database, "pool">;

type Credits = { balance_usd: string; held_usd: string; spent_today_usd: string; requests_today: number };

/** "Today" is the day in UTC. */
export async function readCredits({ pool }: Reader, accountId: string): Promise<Credits> {
  const { rows } = await pool.query<{ balance: bigint; held: bigint; spent: bigint; requests: bigint }>(
    `SELECT a.balance_nano_usd AS balance, a.held_nano_usd AS held, coalesce(sum(r.cost_nano_usd), 0)::bigint AS spent,
       coalesce(sum(r.requests), 0)::bigint AS requests
     FROM account a LEFT JOIN usage_rollup r ON r.account_id = a.id
       AND r.hour >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
     WHERE a.id = $1 GROUP BY a.id`,
    [accountId],
  );
  const row = rows[0];
  return {
    balance_usd: usdOf(row?.balance ?? 0n),
    held_usd: usdOf(row?.held ?? 0n),
    spent_today_usd: usdOf(row?.spent ?? 0n),
    requests_today: Number(row?.requests ?? 0n),
  };
}

export type PublicCharge = {
  request_id: string;
  created_at: string;
  endpoint: string;
  model: string;
  service_tier: string | null;
  usage: UsageUnits;
  cost_usd: string;
  basis: string;
  flags: string[];
  /** Per choice: so much output the balance, or a budget, afforded; null: all that was asked for. */
  output_cap: number | null;
  latency_ms: number;
  is_stream: boolean;
  price_version: { id: string; usd_per_million: Record<string, string>; tier_ppm: string; markup_ppm: number };
};

type Row = {
  hold_id: string;
  created_at: Date;
  endpoint: string;
  model: string;
  service_tier: string | null;
  usage: UsageUnits;
  cost_nano_usd: bigint;
  basis: string;
  flags: string[];
  latency_ms: number;
  is_stream: boolean;
  price_version_id: string;
  prices: PricesJson;
  markup_ppm: number;
};

const columns = `c.hold_id, c.created_at, c.endpoint, c.model, c.service_tier, c.usage, c.cost_nano_usd, c.basis, c.flags,
  c.latency_ms, c.is_stream, c.price_version_id, p.prices, p.markup_ppm`;

/** Newest first; `after` is the request id that the page before ended with. */
export async function listCharges(
  { pool }: Reader,
  { accountId, limit, after }: { accountId: string; limit: number; after: string | null },
): Promise<{ charges: PublicCharge[]; hasMore: boolean }> {
  const { rows } = await pool.query<Row>(
    `SELECT ${columns} FROM corrected_charge c JOIN price_version p ON p.id = c.price_version_id
     WHERE c.account_id = $1 AND ($2::uuid IS NULL OR c.hold_id < $2) ORDER BY c.hold_id DESC LIMIT $3`,
    [accountId, after, limit + 1],
  );
  return { charges: rows.slice(0, limit).map(toPublic), hasMore: rows.length > limit };
}

/** Null where the account has no such charge. */
export async function findCharge(
  { pool }: Reader,
  { accountId, requestId }: { accountId: string; requestId: string },
): Promise<PublicCharge | null> {
  const { rows } = await pool.query<Row>(
    `SELECT ${columns} FROM corrected_charge c JOIN price_version p ON p.id = c.price_version_id
     WHERE c.hold_id = $1 AND c.account_id = $2`,
    [requestId, accountId],
  );
  return rows[0] ? toPublic(rows[0]) : null;
}

/** The upstream that gave a response which the account has paid for, and may continue; null where there is none. */
export async function findResponse(
  { pool }: Reader,
  accountId: string,
  responseId: string,
): Promise<{ upstreamId: string | null } | null> {
  const { rows } = await pool.query<{ upstream_id: string | null }>(
    `SELECT upstream_id FROM charge WHERE upstream_response_id = $1 AND endpoint = 'responses' AND account_id = $2
     UNION ALL
     SELECT t.upstream_id FROM true_up t JOIN charge c USING (hold_id)
       WHERE t.upstream_response_id = $1 AND c.endpoint = 'responses' AND c.account_id = $2
     ORDER BY upstream_id LIMIT 1`,
    [responseId, accountId],
  );
  return rows[0] ? { upstreamId: rows[0].upstream_id } : null;
}

const outputCapFlag = /^output_cap:(\d{1,9})$/;

/** The cap that a charge's flags tell of, in tokens. */
function outputCapOf(flags: readonly string[]): number | null {
  for (const flag of flags) {
    const tokens = outputCapFlag.exec(flag)?.[1];
    if (tokens !== undefined) return Number(tokens);
  }
  return null;
}

function toPublic(row: Row): PublicCharge {
  const prices = pricesFromJson(row.prices, row.markup_ppm);
  const { bands, tierPpm } = findTier(prices, row.service_tier);
  const { picoUsdPerUnit } = findBand(bands, inputTokensOf(row.usage));
  // With the prices that a used class has only by default.
  const used = Object.entries(row.usage).flatMap(([unitClass, units]) => (units ? [unitClass] : []));
  const priced = new Set([...Object.keys(picoUsdPerUnit), ...used]);
  return {
    request_id: row.hold_id,
    created_at: row.created_at.toISOString(),
    endpoint: row.endpoint,
    model: row.model,
    service_tier: row.service_tier,
    usage: row.usage,
    cost_usd: usdOf(row.cost_nano_usd),
    basis: row.basis,
    flags: row.flags,
    output_cap: outputCapOf(row.flags),
    latency_ms: row.latency_ms,
    is_stream: row.is_stream,
    price_version: {
      id: row.price_version_id,
      // A pico-USD per unit is a micro-USD per million units.
      usd_per_million: Object.fromEntries(
        [...priced].map((unitClass) => [unitClass, usdOf(classPicoUsd(picoUsdPerUnit, unitClass) * 1_000n)]),
      ),
      tier_ppm: String(tierPpm),
      markup_ppm: row.markup_ppm,
    },
  };
}

/** The id of a user's wallet. */
export async function walletOf({ pool }: Reader, userId: string): Promise<string> {
  const { rows } = await pool.query<{ id: string }>("SELECT id FROM account WHERE user_id = $1 AND kind = 'wallet'", [
    userId,
  ]);
  if (!rows[0]) throw new Error(`The user ${userId} has no wallet.`);
  return rows[0].id;
}
