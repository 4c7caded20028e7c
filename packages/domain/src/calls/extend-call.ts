/** Extends the hold of a stream as its output comes: slice by slice, as far as wallet and budgets go. */
import type { ExtendOutcome, Ledger } from "@codex-gateway/ledger";
import {
  budgetNames,
  budgetResets,
  createMaxCost,
  mostTokens,
  mostWithin,
  type CallRefusal,
  type HeldCall,
} from "./hold-call.ts";

/** What is held for now; `refusal`: why that is not all that was asked for, and nothing more will come. */
type ExtendedCall = { heldOutputTokens: number; refusal: CallRefusal | null };

/** Then the stream goes on for what is held for, and for what its user may owe. */
const isForMoney: ReadonlySet<ExtendOutcome["outcome"]> = new Set(["insufficient", "daily_budget", "monthly_budget"]);

/**
 * Holds for so much output, of all choices, in all. `debtNanoUsd` is asked how much may be owed where that is too much. @throws Error where the ledger does not answer */
export async function extendCall(
  ledger: Pick<Ledger, "extend">,
  { call, version, inputTokens, projectTiers }: HeldCall,
  { outputTokens: wanted, debtNanoUsd }: { outputTokens: number; debtNanoUsd: () => bigint },
): Promise<ExtendedCall> {
  const costOf = createMaxCost({ version, bound: call.bound, inputTokens, projectTiers });
  const extended = await ledger.extend({
    id: call.id,
    accountId: call.accountId,
    apiKeyId: call.apiKeyId,
    amountNanoUsd: costOf(wanted),
    tokensBound: Math.min(inputTokens + wanted, mostTokens),
  });
  if (extended.outcome === "held") return { heldOutputTokens: wanted, refusal: null };
  const refusal = refusalOf(extended.outcome);
  if (!isForMoney.has(extended.outcome)) return { heldOutputTokens: 0, refusal };
  const heldOutputTokens = mostWithin(extended.amountNanoUsd + debtNanoUsd(), wanted, costOf);
  return { heldOutputTokens, refusal };
}

function refusalOf(outcome: Exclude<ExtendOutcome["outcome"], "held">): CallRefusal {
  switch (outcome) {
    case "insufficient":
      return { refused: "credit_balance_exhausted", message: "Your balance is used up, so the response ends here." };
    case "daily_budget":
    case "monthly_budget":
      return {
        refused: "project_spend_limit_exceeded",
        message: `${budgetNames[outcome]} of this API key is used up, so the response ends here. ${budgetResets[outcome]}`,
      };
    case "settled":
      return { refused: "service_unavailable" };
    default:
      return { refused: outcome };
  }
}
