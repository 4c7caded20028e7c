/**
 * The prices of other vendors' models, as the package @pydantic/genai-prices keeps them (its data come with the lock
 * file): for upstreams that serve more than OpenAI's own models. They are suggestions; nothing is sold at them unasked.
 */
import { findProvider } from "@pydantic/genai-prices";
import { picoUsdPerUnit } from "./price-units.ts";
import type { PricesJson } from "./prices-json.ts";

type Model = NonNullable<ReturnType<typeof findProvider>>["models"][number];
type ModelPrice = Exclude<Model["prices"], readonly unknown[]>;
type Rate = number | { base: number; tiers: { start: number; price: number }[] };

/** Whose models OpenAI-compatible servers offer; the first that knows a name counts. */
const vendors = ["deepseek", "mistral", "x-ai", "groq", "moonshotai", "cohere", "google", "anthropic", "openrouter"];

/** Ours on the right. */
const unitClasses: Readonly<Record<string, string>> = {
  input_mtok: "input",
  cache_read_mtok: "cached_input",
  cache_write_mtok: "cache_write_30m",
  output_mtok: "output",
  input_audio_mtok: "audio_input",
  output_audio_mtok: "audio_output",
  input_image_mtok: "image_input",
  output_image_mtok: "image_output",
};

export type VendorPrice = { vendor: string; prices: PricesJson; contextTokens: number | null };

/** Finds what a vendor asks for a model of exactly that name on the day of `now`; null: none is known. */
export function findVendorPrice(model: string, now: Date): VendorPrice | null {
  for (const vendor of vendors) {
    const found = findProvider({ providerId: vendor })?.models.find(({ match }) => isNamed(match, model));
    const bands = found && toBands(priceOn(found, now));
    if (bands) {
      return { vendor, prices: { bands, tiersPpm: {} }, contextTokens: found.context_window ?? null };
    }
  }
  return null;
}

function isNamed(match: Model["match"], model: string): boolean {
  if ("equals" in match) return match.equals === model;
  if ("starts_with" in match) return match.starts_with === model;
  return "or" in match && match.or.some((each) => isNamed(each, model));
}

/** The last of several prices whose start lies before `now`; the one without a start is the first. */
function priceOn({ prices }: Model, now: Date): ModelPrice | null {
  if (!Array.isArray(prices)) return prices;
  const today = now.toISOString().slice(0, 10);
  const started = prices.filter(({ constraint }) => {
    if (!constraint) return true;
    return "start_date" in constraint && constraint.start_date <= today;
  });
  return started.at(-1)?.prices ?? null;
}

function toBands(price: ModelPrice | null): PricesJson["bands"] | null {
  const rates = Object.entries(price ?? {}).flatMap(([key, rate]): [string, Rate][] => {
    const unitClass = unitClasses[key];
    return unitClass && rate !== undefined ? [[unitClass, rate]] : [];
  });
  if (!rates.some(([unitClass]) => unitClass === "input")) return null;
  const starts = rates.flatMap(([, rate]) => (typeof rate === "number" ? [] : rate.tiers.map(({ start }) => start)));
  return [-1, ...new Set(starts)]
    .sort((a, b) => a - b)
    .map((aboveInputTokens) => ({
      aboveInputTokens,
      picoUsdPerUnit: Object.fromEntries(
        rates.map(([unitClass, rate]) => [unitClass, picoUsdPerUnit(rateAt(rate, aboveInputTokens).toFixed(6))]),
      ),
    }));
}

function rateAt(rate: Rate, aboveInputTokens: number): number {
  if (typeof rate === "number") return rate;
  return rate.tiers.findLast(({ start }) => start <= aboveInputTokens)?.price ?? rate.base;
}
