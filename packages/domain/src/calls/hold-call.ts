/** Turns a call's bound of tokens into a hold of money: in full, or what the balance affords where the output can be capped. */
import type { Allowance, HoldOutcome, Ledger, UsageUnits } from "@codex-gateway/ledger";
import { isTierPriced } from "../prices/cost.ts";
import { maxCostNanoUsd } from "../prices/max-cost.ts";
import type { PriceBook, PriceVersion } from "../prices/price-book.ts";

export type BoundedCall = {
  id: string;
  accountId: string;
  apiKeyId: string;
  endpoint: string;
  model: string;
  hasOutput: boolean;
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
  /** Per choice, to be sent upstream; null: nothing needs to be. */
  outputCapTokens: number | null;
  inputTokens: number;
  outputTokens: number;
  allowance: Allowance | null;
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
/** No wallet holds as much, and the database can still add up a batch of such amounts in 64 bits. */
const mostNanoUsd = 2n ** 59n;
/** Where neither the body nor the price says how large an input is that the body only points at. */
const unknownContextTokens = 400_000;

export async function holdCall(
  {
    ledger,
    prices,
    defaultMaxOutputTokens,
    projectTiers,
  }: {
    ledger: Pick<Ledger, "hold">;
    prices: PriceBook;
    defaultMaxOutputTokens: number;
    /** Tiers that upstreams' projects serve requests in which name none. */
    projectTiers?: readonly string[];
  },
  call: BoundedCall,
): Promise<HeldCall | CallRefusal> {
  const version = prices.find(call.model);
  if (!version) {
    const message = `The model ${shown(call.model)} has no price here, so it cannot be used.`;
    return { refused: "model_not_priced", message, param: "model" };
  }
  const { bound } = call;
  const { hosted, serviceTier } = bound;
  const otherClasses = pricedClasses(version, bound.otherClasses);
  // It would be served for less than it costs.
  if (!isTierPriced(version.prices, serviceTier)) return { refused: "service_tier_not_priced", param: "service_tier" };
  const inputTokens = inputBoundOf(version, bound);
  const canCap = call.hasOutput && bound.outputTokens === null;
  const perChoice = call.hasOutput ? (bound.outputTokens ?? version.maxOutputTokens ?? defaultMaxOutputTokens) : 0;
  const outputOf = (each: number) => each * bound.choices + bound.extraOutputTokens;
  const costOf = (each: number) =>
    maxCostNanoUsd(version.prices, {
      inputTokens,
      outputTokens: outputOf(each),
      hosted,
      serviceTier,
      projectTiers,
      otherClasses,
    });
  const amountNanoUsd = costOf(perChoice);
  // Refused here, not by the database: there it would fail for all whose orders share its batch.
  if (amountNanoUsd > mostNanoUsd) return { refused: "credit_balance_exhausted" };
  const held = await ledger.hold({
    id: call.id,
    accountId: call.accountId,
    apiKeyId: call.apiKeyId,
    priceVersionId: version.id,
    endpoint: call.endpoint,
    model: call.model,
    inputTokensBound: bound.inputTokens,
    amountNanoUsd,
    minAmountNanoUsd: canCap ? costOf(Math.min(minOutputTokens, perChoice)) : null,
  });
  if (held.outcome !== "held") return refusalOf(held);
  const isPartly = held.amountNanoUsd < amountNanoUsd;
  const each = isPartly ? mostWithin(held.amountNanoUsd, perChoice, costOf) : perChoice;
  const mustCap = canCap && (isPartly || version.maxOutputTokens === null);
  return {
    held: true,
    version,
    outputCapTokens: mustCap ? each : null,
    inputTokens,
    outputTokens: outputOf(each),
    allowance: held.allowance,
  };
}

/** A client's own word in a sentence of ours: one line, and no longer than a name may be. */
const shown = (name: string): string => JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);

function refusalOf(outcome: Exclude<HoldOutcome, { outcome: "held" }>): CallRefusal {
  switch (outcome.outcome) {
    case "insufficient":
      return { refused: "credit_balance_exhausted" };
    case "daily_budget":
      return {
        refused: "project_spend_limit_exceeded",
        message: "The daily budget of this API key is used up. It resets at 00:00 UTC.",
        resetsAtMs: startOfNext("day", new Date()),
      };
    case "monthly_budget":
      return {
        refused: "project_spend_limit_exceeded",
        message: "The monthly budget of this API key is used up. It resets on the first day of the month, 00:00 UTC.",
        resetsAtMs: startOfNext("month", new Date()),
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
function mostWithin(amountNanoUsd: bigint, maxTokens: number, costOf: (tokens: number) => bigint): number {
  let [low, high] = [0, maxTokens];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costOf(middle) <= amountNanoUsd) low = middle;
    else high = middle - 1;
  }
  return low;
}
