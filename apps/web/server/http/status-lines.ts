/**
 * What a key has left and has spent, in the shapes that status lines of other tools read. Their amounts are JSON numbers, to
 * be shown and not to be counted with; `/v1/credits` has decimal strings.
 */
import { leftOf, type Budget, type KeyStatus } from "@codex-gateway/domain";

const usd = (nanoUsd: bigint): number => Number(nanoUsd) / 1e9;

/** As OpenRouter answers `GET /v1/key`. Without a budget there is no limit, and what remains is the balance. */
export function toOpenRouterKey({ name, leftNanoUsd, spentNanoUsd, budgets }: KeyStatus): object {
  const [period, budget] = tightest(budgets);
  return {
    data: {
      label: name,
      limit: budget && usd(budget.limitNanoUsd),
      limit_remaining: usd(leftNanoUsd),
      limit_reset: period,
      usage: usd(spentNanoUsd.inAll),
      usage_daily: usd(spentNanoUsd.today),
      usage_weekly: usd(spentNanoUsd.thisWeek),
      usage_monthly: usd(spentNanoUsd.thisMonth),
    },
  };
}

/** The budget of which the least is left; it is the one that stops the key. */
function tightest({ day, month }: KeyStatus["budgets"]): ["daily" | "monthly", Budget] | [null, null] {
  if (day && (!month || leftOf(day) <= leftOf(month))) return ["daily", day];
  return month ? ["monthly", month] : [null, null];
}

/** As sub2api answers `GET /v1/usage`, and cc-switch reads it. */
export function toSub2apiUsage({
  name,
  balanceNanoUsd,
  leftNanoUsd,
  spentNanoUsd,
  budgets,
  expiresAt,
}: KeyStatus): object {
  return {
    isValid: true,
    planName: name,
    remaining: usd(leftNanoUsd),
    balance: usd(balanceNanoUsd),
    unit: "USD",
    subscription: {
      daily_usage_usd: usd(spentNanoUsd.today),
      daily_limit_usd: budgets.day && usd(budgets.day.limitNanoUsd),
      weekly_usage_usd: usd(spentNanoUsd.thisWeek),
      weekly_limit_usd: null,
      monthly_usage_usd: usd(spentNanoUsd.thisMonth),
      monthly_limit_usd: budgets.month && usd(budgets.month.limitNanoUsd),
      expires_at: expiresAt && expiresAt.toISOString(),
    },
  };
}

/** As OpenAI once answered `GET /v1/dashboard/billing/subscription`: what was there to be spent, spent or not. */
export function toBillingSubscription({ leftNanoUsd, spentNanoUsd, expiresAt }: KeyStatus): object {
  const limit = usd(leftNanoUsd + spentNanoUsd.inAll);
  return {
    object: "billing_subscription",
    has_payment_method: true,
    soft_limit_usd: limit,
    hard_limit_usd: limit,
    system_hard_limit_usd: limit,
    access_until: expiresAt ? Math.floor(expiresAt.getTime() / 1_000) : null,
  };
}

const centsPerUsd = 100;

/**
 * As OpenAI once answered `GET /v1/dashboard/billing/usage`, in cents. The dates that it is asked for are left aside:
 * clients take it from the limit, and what is left must come out.
 */
export const toBillingUsage = ({ spentNanoUsd }: KeyStatus): object => ({
  object: "list",
  total_usage: usd(spentNanoUsd.inAll) * centsPerUsd,
});
