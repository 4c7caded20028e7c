/**
 * What a call costs: (Σ tokensᵢ × priceᵢ × tier + Σ hostedᵢ × priceᵢ) × markup, in integers, rounded once, half up, to
 * nano-USD. A price is in pico-USD per unit; a multiplier in parts per million.
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

/**
 * What the provider's own tools cost, in pico-USD per call, where a price does not say it: USD 10 per 1 000 searches, USD
 * 2.50 per 1 000 file searches, USD 0.25 for the dearest image, USD 0.03 per GB of a container's session
 * (https://openai.com/api/pricing). No tier makes them dearer or cheaper.
 */
const hostedPicoUsd: Readonly<Record<string, bigint>> = {
  web_search_call: 10_000_000_000n,
  file_search_call: 2_500_000_000n,
  image_generation_call: 250_000_000_000n,
  container_gb: 30_000_000_000n,
};
const isHosted = (unitClass: string): boolean => hostedPicoUsd[unitClass] !== undefined;

/** All input tokens of a request, whatever they cost: what decides its band. */
export function inputTokensOf(usage: UsageUnits): number {
  let sum = 0;
  for (const unitClass of inputClasses) sum += usage[unitClass] ?? 0;
  return sum;
}

/** The prices that a request with so many input tokens pays; exactly at a threshold it is still the cheaper band. */
export function bandFor(prices: Prices, inputTokens: number): PriceBand {
  const band = prices.bands.findLast(({ aboveInputTokens }) => inputTokens > aboveInputTokens);
  if (!band) throw new Error("A price without a first band.");
  return band;
}

/** A class without a price of its own costs what its plain class costs: no token, and no call of a tool, is free by omission. */
export function picoUsdOf(band: PriceBand, unitClass: string): bigint {
  const own = band.picoUsdPerUnit[unitClass] ?? hostedPicoUsd[unitClass];
  if (own !== undefined) return own;
  return band.picoUsdPerUnit[unitClass.endsWith("output") ? "output" : "input"] ?? 0n;
}

/** What a tier multiplies tokens with. `fast` is what `priority` was called first; a tier that is not named costs the plain price. */
export const tierPpmOf = (prices: Pick<Prices, "tiersPpm">, serviceTier: string | null): bigint =>
  prices.tiersPpm[serviceTier === "fast" ? "priority" : (serviceTier ?? "")] ?? ppm;

/** The cost in nano-USD. @throws RangeError where a unit is no whole number of zero or more */
export function costNanoUsd(prices: Prices, usage: UsageUnits, serviceTier: string | null): bigint {
  for (const unitClass in usage) {
    const units = usage[unitClass] ?? 0;
    if (!Number.isSafeInteger(units) || units < 0)
      throw new RangeError(`${units} is no number of units (${unitClass}).`);
  }
  const band = bandFor(prices, inputTokensOf(usage));
  let tokensPicoUsd = 0n;
  let hostedPicoUsd = 0n;
  for (const unitClass in usage) {
    const units = usage[unitClass];
    if (!units) continue;
    const picoUsd = BigInt(units) * picoUsdOf(band, unitClass);
    if (isHosted(unitClass)) hostedPicoUsd += picoUsd;
    else tokensPicoUsd += picoUsd;
  }
  const scaled = (tokensPicoUsd * tierPpmOf(prices, serviceTier) + hostedPicoUsd * ppm) * prices.markupPpm;
  return (scaled + divisor / 2n) / divisor;
}

type Dearest = {
  bands: { band: PriceBand; inputPicoUsd: bigint; outputPicoUsd: bigint }[];
  /** Of the tiers that a call may be served in which asks for none. */
  tierPpm: bigint;
};

/** What is dearest in each band; found once per price version. */
const dearestOf = new WeakMap<Prices, Dearest>();

/** Never served unless it was asked for. */
const onlyOnDemand = "ultrafast";

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function findDearest(prices: Prices): Dearest {
  const dearest = (band: PriceBand, isOutput: boolean) =>
    Object.entries(band.picoUsdPerUnit).reduce(
      (max, [unitClass, price]) =>
        !isHosted(unitClass) && unitClass.endsWith("output") === isOutput ? larger(max, price) : max,
      0n,
    );
  return {
    bands: prices.bands.map((band) => ({
      band,
      inputPicoUsd: dearest(band, false),
      outputPicoUsd: dearest(band, true),
    })),
    tierPpm: Object.entries(prices.tiersPpm).reduce(
      (most, [tier, each]) => (tier === onlyOnDemand ? most : larger(most, each)),
      ppm,
    ),
  };
}

/** What bounds a call: tokens, calls of the provider's tools, and the tier it asks for (null: any). */
export type CostLimits = {
  inputTokens: number;
  outputTokens: number;
  hosted?: UsageUnits;
  serviceTier?: string | null;
};

/** The most that a call can cost: every input token at the dearest input price, at the dearest tier it may be served in. */
export function maxCostNanoUsd(prices: Prices, limits: CostLimits): bigint {
  let dearest = dearestOf.get(prices);
  if (!dearest) {
    dearest = findDearest(prices);
    dearestOf.set(prices, dearest);
  }
  const { inputTokens, outputTokens, hosted = {}, serviceTier = null } = limits;
  const isAny = serviceTier === null || serviceTier === "auto";
  // A call that is not served in the tier it asks for is served in the plain one.
  const tierPpm = isAny ? dearest.tierPpm : larger(ppm, tierPpmOf(prices, serviceTier));
  let most = 0n;
  for (const { band, inputPicoUsd, outputPicoUsd } of dearest.bands) {
    if (band.aboveInputTokens >= inputTokens) break;
    let scaled = (BigInt(inputTokens) * inputPicoUsd + BigInt(outputTokens) * outputPicoUsd) * tierPpm;
    for (const unitClass in hosted) {
      const units = hosted[unitClass];
      if (units) scaled += BigInt(units) * picoUsdOf(band, unitClass) * ppm;
    }
    most = larger(most, (scaled * prices.markupPpm + divisor - 1n) / divisor);
  }
  return most;
}
