/** How prices lie in `price_version.prices`: big integers as decimal strings. */
import type { Prices } from "./cost.ts";

export type PricesJson = {
  bands: { aboveInputTokens: number; picoUsdPerUnit: Record<string, string> }[];
  tiersPpm: Record<string, string>;
};

const toBigInts = (texts: Record<string, string>): Record<string, bigint> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, BigInt(text)]));

export const pricesFromJson = (json: PricesJson, markupPpm: number): Prices => ({
  bands: json.bands.map((band) => ({ ...band, picoUsdPerUnit: toBigInts(band.picoUsdPerUnit) })),
  tiersPpm: toBigInts(json.tiersPpm),
  markupPpm: BigInt(markupPpm),
});
