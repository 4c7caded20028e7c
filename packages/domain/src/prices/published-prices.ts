/**
 * The prices that the provider publishes, from our own dated file. They fill an empty price book; later data are only ever
 * proposed to an admin.
 */
import { completionWindows, openAiPrices, usualTiers as usualFactors, type OpenAiPrice } from "./openai-prices.ts";
import { picoUsdPerCall, picoUsdPerUnit, ppmFromFactor, scalePico } from "./price-units.ts";
import type { PricesJson } from "./prices-json.ts";
import { publishedMaxOutputTokens } from "./published-limits.ts";

export type PublishedPrice = {
  model: string;
  prices: PricesJson;
  contextTokens: number | null;
  maxOutputTokens: number | null;
  /** Midnight, UTC. */
  validFrom: Date;
};

/** Where a request of a long-context model becomes dear: exactly so many input tokens are still cheap. */
const longContextAboveTokens = 272_000;

/** Returns the price of each published model on the day of `now`, one row per name; a name may end in `*`. */
export function publishedPrices(now: Date): PublishedPrice[] {
  const today = now.toISOString().slice(0, 10);
  const current = new Map<string, PublishedPrice>();
  for (const row of byStart()) {
    if (row.validFrom > today) continue;
    for (const price of toPublished(row)) current.set(price.model, price);
  }
  return [...current.values()];
}

/** Returns the changes that are announced for days after `now`, oldest first. */
export function comingPrices(now: Date): PublishedPrice[] {
  const today = now.toISOString().slice(0, 10);
  return byStart()
    .filter(({ validFrom }) => validFrom > today)
    .flatMap(toPublished);
}

/** Returns a model's tiers on the day of `now` in parts per million; a model that is not published has the usual ones. */
export const publishedTiers = (model: string, now: Date): Record<string, string> =>
  publishedPrices(now).find((price) => price.model === model)?.prices.tiersPpm ?? toPpm(usualFactors);

const byStart = (): OpenAiPrice[] =>
  [...openAiPrices].sort((a, b) => (a.validFrom < b.validFrom ? -1 : a.validFrom > b.validFrom ? 1 : 0));

const toPublished = (row: OpenAiPrice): PublishedPrice[] =>
  row.models.map((model) => ({
    model,
    prices: toPricesJson(row),
    contextTokens: row.contextTokens,
    maxOutputTokens: publishedMaxOutputTokens(model),
    validFrom: new Date(`${row.validFrom}T00:00:00Z`),
  }));

function toPricesJson({ usd, callUsd = {}, tiers = usualFactors, hasLongContext }: OpenAiPrice): PricesJson {
  const base = mapValues(usd, picoUsdPerUnit);
  const calls = mapValues(callUsd, picoUsdPerCall);
  const bands = [{ aboveInputTokens: -1, picoUsdPerUnit: { ...base, ...calls } }];
  if (hasLongContext) {
    const long = Object.fromEntries(
      Object.entries(base).map(([unitClass, pico]) => [
        unitClass,
        unitClass.endsWith("output") ? scalePico(pico, 3n, 2n) : scalePico(pico, 2n, 1n),
      ]),
    );
    bands.push({ aboveInputTokens: longContextAboveTokens, picoUsdPerUnit: { ...long, ...calls } });
  }
  return { bands, tiersPpm: toPpm(tiers), windowsPpm: toPpm(completionWindows) };
}

const toPpm = (factors: Readonly<Record<string, string>>): Record<string, string> => mapValues(factors, ppmFromFactor);

const mapValues = (texts: Readonly<Record<string, string>>, toText: (text: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, toText(text)]));
