import type { KeyStatus } from "@codex-gateway/domain";
import { expect, test } from "vitest";
import { toBillingSubscription, toBillingUsage, toOpenRouterKey, toSub2apiUsage } from "./status-lines.ts";

const budget = (limit: bigint, spent: bigint) => ({ limitNanoUsd: limit, spentNanoUsd: spent, resetsAt: new Date(0) });
const aStatus = (rest: Partial<KeyStatus> = {}): KeyStatus => ({
  name: "laptop",
  expiresAt: null,
  balanceNanoUsd: 12_500_000_000n,
  leftNanoUsd: 12_500_000_000n,
  spentNanoUsd: { inAll: 7_000_000_000n, today: 100_000_000n, thisWeek: 200_000_000n, thisMonth: 300_000_000n },
  budgets: { day: null, month: null },
  ...rest,
});

test("OpenRouter's shape has no limit where there is no budget, and the tighter one where there are two", () => {
  expect(toOpenRouterKey(aStatus())).toEqual({
    data: {
      label: "laptop",
      limit: null,
      limit_remaining: 12.5,
      limit_reset: null,
      usage: 7,
      usage_daily: 0.1,
      usage_weekly: 0.2,
      usage_monthly: 0.3,
    },
  });
  const budgets = { day: budget(1_000_000_000n, 100_000_000n), month: budget(1_000_000_000n, 300_000_000n) };
  expect(toOpenRouterKey(aStatus({ budgets, leftNanoUsd: 700_000_000n }))).toMatchObject({
    data: { limit: 1, limit_remaining: 0.7, limit_reset: "monthly" },
  });
  expect(toOpenRouterKey(aStatus({ budgets: { ...budgets, month: null } }))).toMatchObject({
    data: { limit_reset: "daily" },
  });
});

test("sub2api's shape has what cc-switch reads", () => {
  const budgets = { day: budget(1_000_000_000n, 100_000_000n), month: null };
  expect(toSub2apiUsage(aStatus({ budgets, expiresAt: new Date("2027-01-01T00:00:00Z") }))).toEqual({
    isValid: true,
    planName: "laptop",
    remaining: 12.5,
    balance: 12.5,
    unit: "USD",
    subscription: {
      daily_usage_usd: 0.1,
      daily_limit_usd: 1,
      weekly_usage_usd: 0.2,
      weekly_limit_usd: null,
      monthly_usage_usd: 0.3,
      monthly_limit_usd: null,
      expires_at: "2027-01-01T00:00:00.000Z",
    },
  });
});

test("from OpenAI's old shapes what is left comes out", () => {
  const { hard_limit_usd: limit } = toBillingSubscription(aStatus()) as { hard_limit_usd: number };
  const { total_usage: cents } = toBillingUsage(aStatus()) as { total_usage: number };
  expect([limit, cents, limit - cents / 100]).toEqual([19.5, 700, 12.5]);
});
