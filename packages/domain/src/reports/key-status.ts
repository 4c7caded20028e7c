/** What a key has left and has spent, as status lines of coding tools show it. Days, weeks and months are UTC's. */
import type { Database } from "@codex-gateway/db";

type Reader = Pick<Database, "pool">;

export type KeyStatus = {
  name: string;
  expiresAt: Date | null;
  /** Of the wallet; what is held for calls under way is still in it. */
  balanceNanoUsd: bigint;
  /** What the key may still spend: the balance, or less where a budget is closer. */
  leftNanoUsd: bigint;
  spentNanoUsd: { inAll: bigint; today: bigint; thisWeek: bigint; thisMonth: bigint };
  budgets: { day: Budget | null; month: Budget | null };
};

/** `spentNanoUsd` is what counts against it since it started anew. */
export type Budget = { limitNanoUsd: bigint; spentNanoUsd: bigint; resetsAt: Date };

export async function readKeyStatus({ pool }: Reader, apiKeyId: string, now = new Date()): Promise<KeyStatus> {
  type Row = {
    name: string;
    expires_at: Date | null;
    daily_budget: bigint | null;
    monthly_budget: bigint | null;
    balance: bigint;
    in_all: bigint;
    today: bigint;
    this_week: bigint;
    this_month: bigint;
  };
  const { rows } = await pool.query<Row>(
    `SELECT k.name, k.expires_at, k.daily_budget_nano_usd AS daily_budget, k.monthly_budget_nano_usd AS monthly_budget,
       a.balance_nano_usd AS balance, s.in_all, s.today, s.this_week, s.this_month
     FROM api_key k JOIN account a ON a.user_id = k.user_id AND a.kind = 'wallet'
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(r.cost_nano_usd), 0)::bigint AS in_all,
         coalesce(sum(r.cost_nano_usd) FILTER (WHERE r.hour >= date_trunc('day', $2::timestamptz, 'UTC')), 0)::bigint AS today,
         coalesce(sum(r.cost_nano_usd) FILTER (WHERE r.hour >= date_trunc('week', $2::timestamptz, 'UTC')), 0)::bigint AS this_week,
         coalesce(sum(r.cost_nano_usd) FILTER (WHERE r.hour >= date_trunc('month', $2::timestamptz, 'UTC')), 0)::bigint AS this_month
       FROM usage_rollup r WHERE r.account_id = a.id AND r.api_key_id = k.id) s
     WHERE k.id = $1`,
    [apiKeyId, now],
  );
  const row = rows[0];
  if (!row) throw new Error(`There is no key ${apiKeyId}.`);
  const day = budgetOf(row.daily_budget, row.today, startOfNextDay(now));
  const month = budgetOf(row.monthly_budget, row.this_month, startOfNextMonth(now));
  return {
    name: row.name,
    expiresAt: row.expires_at,
    balanceNanoUsd: row.balance,
    leftNanoUsd: [day, month].reduce((left, budget) => (budget ? least(left, leftOf(budget)) : left), row.balance),
    spentNanoUsd: { inAll: row.in_all, today: row.today, thisWeek: row.this_week, thisMonth: row.this_month },
    budgets: { day, month },
  };
}

/** Never below zero: a call may have cost more than was left. */
export const leftOf = ({ limitNanoUsd, spentNanoUsd }: Budget): bigint =>
  spentNanoUsd > limitNanoUsd ? 0n : limitNanoUsd - spentNanoUsd;

const budgetOf = (limitNanoUsd: bigint | null, spentNanoUsd: bigint, resetsAt: Date): Budget | null =>
  limitNanoUsd === null ? null : { limitNanoUsd, spentNanoUsd, resetsAt };

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const startOfNextDay = (now: Date): Date =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1));
const startOfNextMonth = (now: Date): Date => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1));
