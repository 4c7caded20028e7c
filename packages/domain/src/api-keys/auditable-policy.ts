/** What the audit log tells of a key: its name and its limits. */
import type { NewKeyLimits } from "./keys.ts";

export type KeyPolicy = NewKeyLimits & { name: string; expiresAt: Date | null };

export const auditablePolicy = ({ dailyBudgetNanoUsd, monthlyBudgetNanoUsd, expiresAt, ...policy }: KeyPolicy) => ({
  ...policy,
  dailyBudgetNanoUsd: dailyBudgetNanoUsd?.toString() ?? null,
  monthlyBudgetNanoUsd: monthlyBudgetNanoUsd?.toString() ?? null,
  expiresAt: expiresAt?.toISOString() ?? null,
});
