/**
 * What a call costs: Σ unitsᵢ × priceᵢ × tier × markup, in integers, rounded once, half up, to nano-USD.
 * A price is in pico-USD per unit; a multiplier in parts per million.
 */

/** Units by price class; the classes are disjoint, so that no token is priced twice. */
export type UsageUnits = Readonly<Record<string, number | undefined>>;

/** Pico-USD per unit by price class, for requests with more input tokens than `aboveInputTokens`. */
export type PriceBand = { aboveInputTokens: number; picoUsdPerUnit: Readonly<Record<string, bigint>> };

export type Prices = {
  /** By rising `aboveInputTokens`; the first one starts at -1, so that it fits every request. */
  bands: readonly PriceBand[];
  /** Parts per million by served service tier; a tier that is not named costs 1_000_000. */
  tiersPpm: Readonly<Record<string, bigint>>;
  markupPpm: bigint;
};

const ppm = 1_000_000n;
const picoPerNano = 1_000n;
const divisor = picoPerNano * ppm * ppm;
const inputClasses = ["input", "cached_input", "cache_write", "audio_input", "image_input"];

/** All input tokens of a request, whatever they cost: what decides its band. */
export const inputTokensOf = (usage: UsageUnits): number =>
  inputClasses.reduce((sum, unitClass) => sum + (usage[unitClass] ?? 0), 0);

/** The prices that a request with so many input tokens pays; exactly at a threshold it is still the cheaper band. */
export function bandFor(prices: Prices, inputTokens: number): PriceBand {
  const band = prices.bands.findLast(({ aboveInputTokens }) => inputTokens > aboveInputTokens);
  if (!band) throw new Error("A price without a first band.");
  return band;
}

/** A class without a price of its own costs what its plain class costs: no token is free by omission. */
function picoUsdOf(band: PriceBand, unitClass: string): bigint {
  const own = band.picoUsdPerUnit[unitClass];
  if (own !== undefined) return own;
  return band.picoUsdPerUnit[unitClass.endsWith("output") ? "output" : "input"] ?? 0n;
}

/** The cost in nano-USD. @throws RangeError where a unit is no whole number of zero or more */
export function costNanoUsd(prices: Prices, usage: UsageUnits, serviceTier: string | null): bigint {
  for (const [unitClass, units = 0] of Object.entries(usage)) {
    if (!Number.isSafeInteger(units) || units < 0)
      throw new RangeError(`${units} is no number of units (${unitClass}).`);
  }
  const band = bandFor(prices, inputTokensOf(usage));
  let picoUsd = 0n;
  for (const [unitClass, units] of Object.entries(usage)) {
    if (units) picoUsd += BigInt(units) * picoUsdOf(band, unitClass);
  }
  const scaled = picoUsd * (prices.tiersPpm[serviceTier ?? ""] ?? ppm) * prices.markupPpm;
  return (scaled + divisor / 2n) / divisor;
}

type Dearest = { aboveInputTokens: number; inputPicoUsd: bigint; outputPicoUsd: bigint };

/** What is dearest in each band, with the dearest tier and the markup in it; found once per price version. */
const dearestOf = new WeakMap<Prices, Dearest[]>();

function findDearest(prices: Prices): Dearest[] {
  const tier = Object.values(prices.tiersPpm).reduce((most, each) => (each > most ? each : most), ppm);
  const dearest = (band: PriceBand, isOutput: boolean) =>
    Object.entries(band.picoUsdPerUnit).reduce(
      (max, [unitClass, price]) => (unitClass.endsWith("output") === isOutput && price > max ? price : max),
      0n,
    );
  return prices.bands.map((band) => ({
    aboveInputTokens: band.aboveInputTokens,
    inputPicoUsd: dearest(band, false) * tier * prices.markupPpm,
    outputPicoUsd: dearest(band, true) * tier * prices.markupPpm,
  }));
}

/** The most that a call can cost: every input token at the dearest input price, at the dearest tier it may be served in. */
export function maxCostNanoUsd(prices: Prices, inputTokens: number, outputTokens: number): bigint {
  let bands = dearestOf.get(prices);
  if (!bands) {
    bands = findDearest(prices);
    dearestOf.set(prices, bands);
  }
  let most = 0n;
  for (const band of bands) {
    if (band.aboveInputTokens >= inputTokens) break;
    const scaled = BigInt(inputTokens) * band.inputPicoUsd + BigInt(outputTokens) * band.outputPicoUsd;
    const cost = (scaled + divisor - 1n) / divisor;
    if (cost > most) most = cost;
  }
  return most;
}
