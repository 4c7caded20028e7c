/**
 * Turns a call's bound of tokens into a hold of money. A whole answer is held for in full, or its output is capped to what
 * the balance affords; a stream is held for up to a first slice of its output, and extended as it runs (extend-call.ts).
 */
import { usdOf, type Allowance, type HoldOutcome, type Ledger, type UsageUnits } from "@codex-gateway/ledger";
import { isTierPriced } from "../prices/cost.ts";
import { maxCostNanoUsd } from "../prices/max-cost.ts";
import type { PriceBook, PriceVersion } from "../prices/price-book.ts";
import { doesReason } from "../prices/published-limits.ts";

export type BoundedCall = {
  id: string;
  accountId: string;
  apiKeyId: string;
  endpoint: string;
  model: string;
  hasOutput: boolean;
  isStream: boolean;
  bound: {
    inputTokens: number;
    remoteInputs: number;
    hostedCalls: number;
    outputTokens: number | null;
    choices: number;
    extraOutputTokens: number;
    hosted: UsageUnits;
    otherClasses: readonly string[];
    serviceTier: string | null;
  };
};

export type HeldCall = {
  held: true;
  version: PriceVersion;
  call: BoundedCall;
  /** Per choice, to be sent upstream; null: nothing needs to be. */
  outputCapTokens: number | null;
  /** Whether the cap is what the balance, or a budget, affords. */
  isCapLowered: boolean;
  doesReason: boolean;
  inputTokens: number;
  /** The most that can come, of all choices. */
  outputTokens: number;
  /** Of these, so many are held for; the hold of a stream can be extended to the rest. */
  heldOutputTokens: number;
  allowance: Allowance | null;
  /** As it was held for. */
  projectTiers: readonly string[];
};

export type CallRefusal = {
  refused:
    | "model_not_priced"
    | "service_tier_not_priced"
    | "credit_balance_exhausted"
    | "project_spend_limit_exceeded"
    | "rate_limit_exceeded"
    | "user_suspended"
    | "key_disabled"
    | "service_unavailable";
  message?: string;
  param?: string;
  retryAfterMs?: number;
  /** When a used-up budget starts anew. */
  resetsAtMs?: number;
  exhausted?: "requests" | "tokens";
};

/** The least that OpenAI takes as `max_output_tokens`: an answer below it is not worth asking for. */
const minOutputTokens = 16;
/**
 * The first slice of a stream, per choice: most answers end within it, so that their holds are never extended. A model that
 * reasons writes several thousand tokens before it says anything.
 */
const firstSliceTokens = 4_096;
const firstReasoningSliceTokens = 16_384;
/** No wallet holds as much, and the database can still add up a batch of such amounts in 64 bits. */
const mostNanoUsd = 2n ** 59n;
/** No limit of tokens is as high, and the database counts them in thousandths. */
export const mostTokens = 1_000_000_000_000;
/** Where neither the body nor the price says how large an input is that the body only points at. */
const unknownContextTokens = 400_000;

type HoldParts = {
  ledger: Pick<Ledger, "hold">;
  prices: PriceBook;
  defaultMaxOutputTokens: number;
  /** The least output, per choice, that a model that reasons is asked for. */
  minReasoningOutputTokens: number;
  /** Tiers that upstreams' projects serve requests in which name none. */
  projectTiers?: readonly string[];
};

export async function holdCall(
  { ledger, prices, defaultMaxOutputTokens, minReasoningOutputTokens, projectTiers = [] }: HoldParts,
  call: BoundedCall,
): Promise<HeldCall | CallRefusal> {
  const version = prices.find(call.model);
  if (!version) {
    const message = `The model ${shown(call.model)} has no price here, so it cannot be used.`;
    return { refused: "model_not_priced", message, param: "model" };
  }
  const { bound } = call;
  const { serviceTier } = bound;
  // It would be served for less than it costs.
  if (!isTierPriced(version.prices, serviceTier)) return { refused: "service_tier_not_priced", param: "service_tier" };
  const inputTokens = inputBoundOf(version, bound);
  const reasons = doesReason(call.model);
  const perChoice = call.hasOutput ? (bound.outputTokens ?? version.maxOutputTokens ?? defaultMaxOutputTokens) : 0;
  const slice = reasons ? firstReasoningSliceTokens : firstSliceTokens;
  const firstPerChoice = call.isStream ? Math.min(perChoice, slice) : perChoice;
  const minPerChoice = Math.min(reasons ? minReasoningOutputTokens : minOutputTokens, firstPerChoice);
  const outputOf = (each: number) => each * bound.choices + bound.extraOutputTokens;
  const maxCost = createMaxCost({ version, bound, inputTokens, projectTiers });
  const costOf = (each: number) => maxCost(outputOf(each));
  const amountNanoUsd = costOf(firstPerChoice);
  const minAmountNanoUsd = call.hasOutput ? costOf(minPerChoice) : amountNanoUsd;
  const refuse = (outcome: Exclude<HoldOutcome, { outcome: "held" }>) =>
    refusalOf(outcome, { neededNanoUsd: minAmountNanoUsd, outputTokens: outputOf(call.hasOutput ? minPerChoice : 0) });
  // Refused here, not by the database: there it would fail for all whose orders share its batch.
  if (amountNanoUsd > mostNanoUsd) return refuse({ outcome: "insufficient" });
  const held = await ledger.hold({
    id: call.id,
    accountId: call.accountId,
    apiKeyId: call.apiKeyId,
    priceVersionId: version.id,
    endpoint: call.endpoint,
    model: call.model,
    inputTokensBound: bound.inputTokens,
    tokensBound: Math.min(inputTokens + outputOf(firstPerChoice), mostTokens),
    amountNanoUsd,
    minAmountNanoUsd: call.hasOutput ? minAmountNanoUsd : null,
  });
  if (held.outcome !== "held") return refuse(held);
  // What is left of the money is the answer's cap: it then ends as one that has reached its length.
  const isCapLowered = held.amountNanoUsd < amountNanoUsd;
  const each = isCapLowered ? mostWithin(held.amountNanoUsd, firstPerChoice, costOf) : firstPerChoice;
  const most = isCapLowered ? each : perChoice;
  const isUncapped = call.hasOutput && bound.outputTokens === null && version.maxOutputTokens === null;
  return {
    held: true,
    version,
    call,
    outputCapTokens: isCapLowered || isUncapped ? most : null,
    isCapLowered,
    doesReason: reasons,
    inputTokens,
    outputTokens: outputOf(most),
    heldOutputTokens: outputOf(each),
    allowance: held.allowance,
    projectTiers,
  };
}

type Bounded = Pick<HeldCall, "version" | "inputTokens" | "projectTiers"> & { bound: BoundedCall["bound"] };

/** Returns the function that says what a call can cost at most that has so much output, of all choices. */
export function createMaxCost({
  version,
  bound,
  inputTokens,
  projectTiers,
}: Bounded): (outputTokens: number) => bigint {
  const { hosted, serviceTier } = bound;
  const otherClasses = pricedClasses(version, bound.otherClasses);
  return (outputTokens) =>
    maxCostNanoUsd(version.prices, { inputTokens, outputTokens, hosted, serviceTier, projectTiers, otherClasses });
}

/** A client's own word in a sentence of ours: one line, and no longer than a name may be. */
const shown = (name: string): string => JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);

type Needed = { neededNanoUsd: bigint; outputTokens: number };

function refusalOf(
  outcome: Exclude<HoldOutcome, { outcome: "held" }>,
  { neededNanoUsd, outputTokens }: Needed,
): CallRefusal {
  const forOutput = outputTokens > 0 ? ` for its input and ${outputTokens} tokens of output` : "";
  const needs = `which needs at least $${shortUsd(neededNanoUsd)}${forOutput}`;
  switch (outcome.outcome) {
    case "insufficient":
      return { refused: "credit_balance_exhausted", message: `Your balance does not cover this request, ${needs}.` };
    case "daily_budget":
    case "monthly_budget":
      return {
        refused: "project_spend_limit_exceeded",
        message: `${budgetNames[outcome.outcome]} of this API key does not cover this request, ${needs}. ${budgetResets[outcome.outcome]}`,
        resetsAtMs: startOfNext(outcome.outcome === "daily_budget" ? "day" : "month", new Date()),
      };
    case "requests_per_minute":
    case "tokens_per_minute":
    case "concurrent_requests":
      return {
        refused: "rate_limit_exceeded",
        message: `Rate limit reached: ${limitNames[outcome.outcome]}.`,
        retryAfterMs: outcome.retryAfterMs,
        ...exhaustedBy[outcome.outcome],
      };
    case "settled":
      return { refused: "service_unavailable" };
    default:
      return { refused: outcome.outcome };
  }
}

/** Rounded up: with so much, it would do. */
function shortUsd(nanoUsd: bigint): string {
  const places = nanoUsd < 10_000_000n ? 6 : 4;
  const step = 10n ** BigInt(9 - places);
  const [whole, fraction = ""] = usdOf(((nanoUsd + step - 1n) / step) * step).split(".");
  return `${whole}.${fraction.slice(0, places)}`;
}

export const budgetNames = { daily_budget: "The daily budget", monthly_budget: "The monthly budget" };
export const budgetResets = {
  daily_budget: "It resets at 00:00 UTC.",
  monthly_budget: "It resets on the first day of the month, 00:00 UTC.",
};

/** Returns when a budget starts anew, by UTC, in milliseconds. */
const startOfNext = (period: "day" | "month", now: Date): number =>
  period === "day"
    ? Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)
    : Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1);

const exhaustedBy: Readonly<Record<string, { exhausted: "requests" | "tokens" } | undefined>> = {
  requests_per_minute: { exhausted: "requests" },
  tokens_per_minute: { exhausted: "tokens" },
};

const limitNames = {
  requests_per_minute: "requests per minute",
  tokens_per_minute: "tokens per minute",
  concurrent_requests: "requests at the same time",
};

/** A class without a price of its own is charged as what it is a part of. */
const pricedClasses = ({ prices }: PriceVersion, classes: readonly string[]): ReadonlySet<string> =>
  classes.length === 0
    ? none
    : new Set(classes.filter((each) => prices.bands.some(({ picoUsdPerUnit }) => picoUsdPerUnit[each] !== undefined)));

const none: ReadonlySet<string> = new Set();

function inputBoundOf({ contextTokens }: PriceVersion, bound: BoundedCall["bound"]): number {
  if (bound.remoteInputs + bound.hostedCalls > 0)
    return contextTokens ?? Math.max(unknownContextTokens, bound.inputTokens);
  // What is longer than the model's context is refused upstream and costs nothing.
  return contextTokens === null ? bound.inputTokens : Math.min(bound.inputTokens, contextTokens);
}

/** The largest number of tokens whose cost is within the amount; costs rise with tokens. */
export function mostWithin(amountNanoUsd: bigint, maxTokens: number, costOf: (tokens: number) => bigint): number {
  let [low, high] = [0, maxTokens];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costOf(middle) <= amountNanoUsd) low = middle;
    else high = middle - 1;
  }
  return low;
}
