/** How prices lie in `price_version.prices`: big integers as decimal strings. */
import type { Prices } from "./cost.ts";

type BandJson = { aboveInputTokens: number; picoUsdPerUnit: Record<string, string> };

export type PricesJson = {
  bands: BandJson[];
  tiersPpm: Record<string, string>;
  /** By completion window of a background response; absent in rows of older versions. */
  windowsPpm?: Record<string, string>;
  /** Bands of tiers that have prices of their own instead of a factor. */
  tierBands?: Record<string, BandJson[]>;
};

const toBigInts = (texts: Record<string, string>): Record<string, bigint> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, BigInt(text)]));

const toBand = (band: BandJson) => ({ ...band, picoUsdPerUnit: toBigInts(band.picoUsdPerUnit) });

/** Parses the JSON of a price version. */
export const pricesFromJson = (json: PricesJson, markupPpm: number): Prices => ({
  bands: json.bands.map(toBand),
  tiersPpm: toBigInts(json.tiersPpm),
  windowsPpm: toBigInts(json.windowsPpm ?? {}),
  tierBands: Object.fromEntries(Object.entries(json.tierBands ?? {}).map(([tier, bands]) => [tier, bands.map(toBand)])),
  markupPpm: BigInt(markupPpm),
});
