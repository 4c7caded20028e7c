/**
 * The prices that providers publish, as the package @pydantic/genai-prices keeps them; its data come with the lock file.
 * They fill an empty price book; later data are only ever proposed to an admin.
 */
import { findProvider } from "@pydantic/genai-prices";
import type { PricesJson } from "./prices-json.ts";

export type PublishedPrice = { model: string; prices: PricesJson; contextTokens: number | null };

type Model = NonNullable<ReturnType<typeof findProvider>>["models"][number];
type ModelPrice = Exclude<Model["prices"], readonly unknown[]>;
type Rate = number | { base: number; tiers: { start: number; price: number }[] };

/** Ours on the right: disjoint classes of tokens. Hours, searches and the like are no tokens and are left out. */
const unitClasses: Readonly<Record<string, string>> = {
  input_mtok: "input",
  cache_read_mtok: "cached_input",
  cache_write_mtok: "cache_write",
  output_mtok: "output",
  input_audio_mtok: "audio_input",
  output_audio_mtok: "audio_output",
  input_image_mtok: "image_input",
  output_image_mtok: "image_output",
};

/** Parts per million by served tier (https://openai.com/api/pricing): flex at half, priority at twice the price. */
const tiersPpm = { flex: "500000", priority: "2000000" };

/** Every exactly named or prefixed OpenAI model with a token price on the day of `now`. Prefixes end in `*`. */
export function publishedPrices(now: Date): PublishedPrice[] {
  const models = findProvider({ providerId: "openai" })?.models ?? [];
  return models.flatMap((model) => {
    const prices = toPricesJson(priceOn(model, now));
    if (!prices) return [];
    return namesOf(model.match).map((name) => ({ model: name, prices, contextTokens: model.context_window ?? null }));
  });
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

function namesOf(match: Model["match"]): string[] {
  if ("equals" in match) return [match.equals];
  if ("starts_with" in match) return [`${match.starts_with}*`];
  return "or" in match ? match.or.flatMap(namesOf) : [];
}

function toPricesJson(price: ModelPrice | null): PricesJson | null {
  const rates = Object.entries(price ?? {}).flatMap(([key, rate]): [string, Rate][] => {
    const unitClass = unitClasses[key];
    return unitClass && rate !== undefined ? [[unitClass, rate]] : [];
  });
  if (!rates.some(([unitClass]) => unitClass === "input")) return null;
  const starts = rates.flatMap(([, rate]) => (typeof rate === "number" ? [] : rate.tiers.map(({ start }) => start)));
  const bands = [-1, ...new Set(starts)].sort((a, b) => a - b);
  return {
    bands: bands.map((aboveInputTokens) => ({
      aboveInputTokens,
      picoUsdPerUnit: Object.fromEntries(
        rates.map(([unitClass, rate]) => [unitClass, picoUsdPerToken(rateAt(rate, aboveInputTokens))]),
      ),
    })),
    tiersPpm,
  };
}

function rateAt(rate: Rate, aboveInputTokens: number): number {
  if (typeof rate === "number") return rate;
  return rate.tiers.findLast(({ start }) => start <= aboveInputTokens)?.price ?? rate.base;
}

/** USD per million tokens → pico-USD per token: six digits behind the point are whole numbers. */
const picoUsdPerToken = (usdPerMillion: number): string => String(Math.round(usdPerMillion * 1_000_000));
