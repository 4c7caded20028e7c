/** Suggests a price for a model that has none: what is published for it, or what its nearest sibling here costs. */
import type { PricesJson } from "./prices-json.ts";
import { publishedPrices } from "./published-prices.ts";
import { findVendorPrice } from "./vendor-prices.ts";

export type PricedModel = {
  model: string;
  prices: PricesJson;
  contextTokens: number | null;
  maxOutputTokens: number | null;
};

export type PriceSuggestion = PricedModel & {
  /** `published`: for this very model; `sibling`: the price of the model that `basedOn` names. */
  kind: "published" | "sibling";
  basedOn: string;
};

/** Returns the best suggestion for `model` among the published prices and the `priced` models of this book; null: none. */
export function suggestPrice(model: string, priced: readonly PricedModel[], now: Date): PriceSuggestion | null {
  const own = publishedPrices(now).find((price) => price.model === model);
  if (own) return { ...own, model, kind: "published", basedOn: "openai" };
  const vendor = findVendorPrice(model, now);
  if (vendor) {
    const { prices, contextTokens } = vendor;
    return { model, prices, contextTokens, maxOutputTokens: null, kind: "published", basedOn: vendor.vendor };
  }
  const sibling = findSibling(model, priced);
  return sibling && { ...sibling, model, kind: "sibling", basedOn: sibling.model };
}

/**
 * Finds the model whose name is nearest: the same family (the words without digits) with the nearest newest version, else
 * the longest common beginning of at least two words. `gpt-6.3-sol` is nearer to `gpt-6.2-sol` than to `gpt-6.3-terra`.
 */
function findSibling(model: string, priced: readonly PricedModel[]): PricedModel | null {
  let best: { price: PricedModel; score: readonly number[] } | null = null;
  for (const price of priced) {
    if (price.model.endsWith("*")) continue;
    const score = nearness(wordsOf(model), wordsOf(price.model));
    if (score && (best === null || isGreater(score, best.score))) best = { price, score };
  }
  return best?.price ?? null;
}

const wordsOf = (model: string): string[] => model.toLowerCase().split(/[-/:_]/);
const isVersion = (word: string): boolean => /\d/.test(word);

/** Greater is nearer, compared from the left; null: no relation. */
function nearness(wanted: readonly string[], other: readonly string[]): readonly number[] | null {
  const family = (words: readonly string[]) => words.filter((word) => !isVersion(word)).join("-");
  const isFamily = family(wanted) === family(other) && family(wanted) !== "";
  let common = 0;
  while (common < Math.min(wanted.length, other.length) && wanted[common] === other[common]) common++;
  if (!isFamily && common < 2) return null;
  return [isFamily ? 1 : 0, common, -Math.abs(versionOf(wanted) - versionOf(other)), versionOf(other)];
}

const versionOf = (words: readonly string[]): number =>
  Number(/\d+(?:\.\d+)?/.exec(words.find(isVersion) ?? "")?.[0] ?? 0);

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
