/** Figures of overviews, read from roll-ups and accounts, never by scanning charges. A day is the viewer's own. */
import type { Database } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { readSettings } from "../settings/settings.ts";

type Reader = Pick<Database, "pool">;

export type UserOverview = {
  balanceUsd: string;
  heldUsd: string;
  debtUsd: string;
  keyCount: number;
  spentTodayUsd: string;
  requestsToday: number;
  /** Whether the balance is below the threshold in the settings. */
  isLow: boolean;
};

export async function readUserOverview(
  { pool }: Reader,
  { userId, timeZone }: { userId: string; timeZone: string },
): Promise<UserOverview> {
  type Row = { balance: bigint; held: bigint; debt: bigint; keys: number; spent: bigint; requests: bigint };
  const { rows } = await pool.query<Row>(
    `SELECT a.balance_nano_usd AS balance, a.held_nano_usd AS held,
       coalesce((SELECT balance_nano_usd FROM account d WHERE d.user_id = $1 AND d.kind = 'receivable'), 0) AS debt,
       (SELECT count(*)::int FROM api_key k WHERE k.user_id = $1 AND k.status <> 'deleted') AS keys,
       today.spent, today.requests
     FROM account a CROSS JOIN LATERAL (
       SELECT coalesce(sum(r.cost_nano_usd), 0)::bigint AS spent, coalesce(sum(r.requests), 0)::bigint AS requests
       FROM usage_rollup r WHERE r.account_id = a.id AND r.hour >= date_trunc('day', now(), $2)) today
     WHERE a.user_id = $1 AND a.kind = 'wallet'`,
    [userId, timeZone],
  );
  const row = rows[0];
  if (!row) throw new Error(`The user ${userId} has no wallet.`);
  const { lowBalanceNanoUsd } = await readSettings({ pool });
  return {
    balanceUsd: usdOf(row.balance),
    heldUsd: usdOf(row.held),
    debtUsd: usdOf(row.debt),
    keyCount: row.keys,
    spentTodayUsd: usdOf(row.spent),
    requestsToday: Number(row.requests),
    isLow: row.balance < BigInt(lowBalanceNanoUsd),
  };
}

export type DayOfUsage = { day: string; series: string; requests: number; tokens: number; costUsd: string };

type DayRow = { day: string; series: string; requests: bigint; tokens: bigint; cost: bigint };

/** The last `days` days with usage, by model; of one account, or of all of them together under one name. */
export async function readDailyUsage(
  { pool }: Reader,
  { userId, days, timeZone }: { userId: string | null; days: number; timeZone: string },
): Promise<DayOfUsage[]> {
  const { rows } =
    userId === null
      ? await pool.query<DayRow>(
          `SELECT to_char(u.hour AT TIME ZONE $2, 'YYYY-MM-DD') AS day, '' AS series, sum(u.requests)::bigint AS requests,
             sum(u.tokens)::bigint AS tokens, sum(u.cost_nano_usd)::bigint AS cost
           FROM (SELECT hour, requests, tokens, cost_nano_usd FROM usage_hour WHERE hour <= $3
                 UNION ALL SELECT hour, requests, input_tokens + output_tokens, cost_nano_usd FROM usage_rollup
                   WHERE hour > $3) u
           WHERE u.hour >= date_trunc('day', now() - $1 * interval '1 day', $2)
           GROUP BY 1 ORDER BY 1`,
          [days - 1, timeZone, await addEndedHours({ pool })],
        )
      : await pool.query<DayRow>(
          `SELECT to_char(r.hour AT TIME ZONE $3, 'YYYY-MM-DD') AS day, r.model AS series,
             sum(r.requests)::bigint AS requests, sum(r.input_tokens + r.output_tokens)::bigint AS tokens,
             sum(r.cost_nano_usd)::bigint AS cost
           FROM usage_rollup r
           WHERE r.hour >= date_trunc('day', now() - $2 * interval '1 day', $3)
             AND r.account_id = (SELECT id FROM account WHERE user_id = $1 AND kind = 'wallet')
           GROUP BY 1, 2 ORDER BY 1, 2`,
          [userId, days - 1, timeZone],
        );
  return rows.map((row) => ({
    day: row.day,
    series: row.series,
    requests: Number(row.requests),
    tokens: Number(row.tokens),
    costUsd: usdOf(row.cost),
  }));
}

/**
 * Sums up the hours that have ended since this was last done. A charge counts in the hour in which it is written, so
 * that an hour does not change once its last commit is through, for which it gets five minutes.
 * @returns the last hour that is summed up: a value, not a subquery, lets the planner see how few hours follow it
 */
async function addEndedHours({ pool }: Reader): Promise<string> {
  const known = await pool.query<{ hour: string }>(
    "SELECT coalesce(max(hour), '-infinity')::text AS hour FROM usage_hour",
  );
  const before = known.rows[0]?.hour ?? "-infinity";
  const added = await pool.query<{ hour: string }>(
    `INSERT INTO usage_hour (hour, requests, tokens, cost_nano_usd)
     SELECT hour, sum(requests), sum(input_tokens + output_tokens), sum(cost_nano_usd) FROM usage_rollup
     WHERE hour > $1 AND hour < date_trunc('hour', now() - interval '5 minutes')
     GROUP BY hour ORDER BY hour ON CONFLICT (hour) DO NOTHING RETURNING hour::text`,
    [before],
  );
  return added.rows.at(-1)?.hour ?? before;
}

type TotalAndToday<Value> = { total: Value; today: Value };

export type SystemOverview = {
  users: TotalAndToday<number>;
  revenueUsd: TotalAndToday<string>;
  spendUsd: TotalAndToday<string>;
  keys: TotalAndToday<number>;
  requestsToday: number;
  /** Owed beyond balances, and by how many. */
  debtUsd: string;
  debtors: number;
};

/**
 * Revenue is money credited that was paid for: top-ups and paid adjustments. Spend is the sum of all charges; it is
 * found as what came in less what is there, which `verify` proves to be the same.
 */
export async function readSystemOverview(
  { pool }: Reader,
  { timeZone }: { timeZone: string },
): Promise<SystemOverview> {
  const { rows } = await pool.query<Record<string, bigint>>(
    `WITH credited AS (
       SELECT sum(amount) AS total, sum(amount) FILTER (WHERE is_paid) AS paid,
         sum(amount) FILTER (WHERE is_paid AND created_at >= date_trunc('day', now(), $1)) AS paid_today
       FROM (SELECT amount_nano_usd AS amount, true AS is_paid, created_at FROM top_up
             UNION ALL SELECT amount_nano_usd, is_paid AND amount_nano_usd > 0, created_at FROM adjustment) c),
     there AS (
       SELECT sum(CASE kind WHEN 'wallet' THEN balance_nano_usd ELSE -balance_nano_usd END) AS balance FROM account)
     SELECT (SELECT count(*) FROM "user") AS users,
       (SELECT count(*) FROM "user" WHERE created_at >= date_trunc('day', now(), $1)) AS users_today,
       (SELECT count(*) FROM api_key WHERE status <> 'deleted') AS keys,
       (SELECT count(*) FROM api_key WHERE status <> 'deleted' AND created_at >= date_trunc('day', now(), $1)) AS keys_today,
       coalesce(credited.paid, 0)::bigint AS revenue, coalesce(credited.paid_today, 0)::bigint AS revenue_today,
       (coalesce(credited.total, 0) - coalesce(there.balance, 0))::bigint AS spend,
       coalesce(today.cost, 0)::bigint AS spend_today, coalesce(today.requests, 0)::bigint AS requests_today,
       coalesce(owed.debt, 0)::bigint AS debt, owed.debtors
     FROM credited, there, (
       SELECT sum(balance_nano_usd) AS debt, count(*) FILTER (WHERE balance_nano_usd > 0) AS debtors
       FROM account WHERE kind = 'receivable') owed, (
       SELECT sum(cost_nano_usd) AS cost, sum(requests) AS requests FROM usage_rollup
       WHERE hour >= date_trunc('day', now(), $1)) today`,
    [timeZone],
  );
  const row = rows[0] ?? {};
  const of = (name: string): bigint => row[name] ?? 0n;
  const count = (name: string) => ({ total: Number(of(name)), today: Number(of(`${name}_today`)) });
  const usd = (name: string) => ({ total: usdOf(of(name)), today: usdOf(of(`${name}_today`)) });
  return {
    users: count("users"),
    revenueUsd: usd("revenue"),
    spendUsd: usd("spend"),
    keys: count("keys"),
    requestsToday: Number(of("requests_today")),
    debtUsd: usdOf(of("debt")),
    debtors: Number(of("debtors")),
  };
}
