/**
 * The cost of a call: (Σ tokensᵢ × priceᵢ × tier × window + Σ callsᵢ × priceᵢ) × markup, in integers, rounded once, half up,
 * to nano-USD. A price is in pico-USD per unit; a multiplier in parts per million.
 */
import { inputTokensOf, type UsageUnits } from "@codex-gateway/ledger";
import { classPicoUsd, isHosted } from "./price-classes.ts";

/** Pico-USD per unit by price class, for requests with more input tokens than `aboveInputTokens`. */
export type PriceBand = { aboveInputTokens: number; picoUsdPerUnit: Readonly<Record<string, bigint>> };

export type Prices = {
  /** By rising `aboveInputTokens`; the first one starts at -1, so that it fits every request. */
  bands: readonly PriceBand[];
  /** Parts per million by served service tier; a tier that is not named costs 1_000_000. */
  tiersPpm: Readonly<Record<string, bigint>>;
  /** Parts per million by completion window of a background response; a window that is not named costs 1_000_000. */
  windowsPpm?: Readonly<Record<string, bigint>>;
  /** Bands of tiers that have prices of their own; they come before `tiersPpm`. */
  tierBands?: Readonly<Record<string, readonly PriceBand[]>>;
  markupPpm: bigint;
};

export const ppm = 1_000_000n;
const picoPerNano = 1_000n;
/** Pico-USD × tier × window × markup → nano-USD. */
export const costDivisor = picoPerNano * ppm * ppm * ppm;

/** Finds the band that a request with so many input tokens pays; exactly at a threshold it is still the cheaper one. */
export function findBand(bands: readonly PriceBand[], inputTokens: number): PriceBand {
  const band = bands.findLast(({ aboveInputTokens }) => inputTokens > aboveInputTokens);
  if (!band) throw new Error("A price without a first band.");
  return band;
}

/** Names the tier as prices do: `fast` is the newer word for `priority`. */
const tierName = (serviceTier: string | null): string => (serviceTier === "fast" ? "priority" : (serviceTier ?? ""));

/** Returns the bands of a tier, and what is still to be multiplied with its tokens, in parts per million. */
export function findTier(prices: Prices, serviceTier: string | null): { bands: readonly PriceBand[]; tierPpm: bigint } {
  const name = tierName(serviceTier);
  const own = prices.tierBands?.[name];
  return own ? { bands: own, tierPpm: ppm } : { bands: prices.bands, tierPpm: prices.tiersPpm[name] ?? ppm };
}

/** Tells whether a tier has a price of its own. */
const hasTier = (prices: Prices, serviceTier: string): boolean => {
  const name = tierName(serviceTier);
  return prices.tiersPpm[name] !== undefined || prices.tierBands?.[name] !== undefined;
};

/** Tiers at the plain price. */
const plainTiers = new Set(["auto", "default", "standard", "scale"]);

/** Tells whether the price book says what a tier costs; without a tier the plain price counts. */
export const isTierPriced = (prices: Prices, serviceTier: string | null): boolean =>
  serviceTier === null || plainTiers.has(serviceTier) || hasTier(prices, serviceTier);

/**
 * Returns the cost in nano-USD, by the tier and the completion window that the call was served in.
 * @throws RangeError where a unit is no whole number of zero or more
 */
export function costNanoUsd(
  prices: Prices,
  usage: UsageUnits,
  serviceTier: string | null,
  completionWindow: string | null = null,
): bigint {
  for (const unitClass in usage) {
    const units = usage[unitClass] ?? 0;
    if (!Number.isSafeInteger(units) || units < 0)
      throw new RangeError(`${units} is no number of units (${unitClass}).`);
  }
  const { bands, tierPpm } = findTier(prices, serviceTier);
  const band = findBand(bands, inputTokensOf(usage));
  let tokensPicoUsd = 0n;
  let callsPicoUsd = 0n;
  for (const unitClass in usage) {
    const units = usage[unitClass];
    if (!units) continue;
    const picoUsd = BigInt(units) * classPicoUsd(band.picoUsdPerUnit, unitClass);
    if (isHosted(unitClass)) callsPicoUsd += picoUsd;
    else tokensPicoUsd += picoUsd;
  }
  const windowPpm = prices.windowsPpm?.[completionWindow ?? ""] ?? ppm;
  const scaled = (tokensPicoUsd * tierPpm * windowPpm + callsPicoUsd * ppm * ppm) * prices.markupPpm;
  return (scaled + costDivisor / 2n) / costDivisor;
}
