/** The most that a call can cost: the amount that is held for it. */
import { isInput, isOutput, type UsageUnits } from "@codex-gateway/ledger";
import { costDivisor, findTier, ppm, type PriceBand, type Prices } from "./cost.ts";
import { classPicoUsd, dearestPicoUsd } from "./price-classes.ts";

/** What bounds a call: tokens, calls of the provider's tools, and the tier it asks for (null: any). */
export type CostLimits = {
  inputTokens: number;
  outputTokens: number;
  hosted?: UsageUnits;
  serviceTier?: string | null;
  /** Classes beyond plain text that the request may be billed in: `audio_input`, `cache_write_12h` … */
  otherClasses?: ReadonlySet<string>;
};

/** Tokens of text may be billed in these without being asked for. */
const textClasses = new Set(["input", "cached_input", "cache_write", "cache_write_30m", "output"]);

/** Served only where it was asked for by name. */
const onlyOnDemand = "ultrafast";

/** Returns the most that a call can cost, in nano-USD: every token at the dearest price that it may be billed at. */
export function maxCostNanoUsd(prices: Prices, limits: CostLimits): bigint {
  const { inputTokens, outputTokens, hosted = {}, serviceTier = null, otherClasses } = limits;
  let most = 0n;
  for (const { bands, tierPpm } of tiersWithin(prices, serviceTier)) {
    for (const band of bands) {
      if (band.aboveInputTokens >= inputTokens) break;
      const { input, output } = dearestOf(band, otherClasses);
      let scaled = (BigInt(inputTokens) * input + BigInt(outputTokens) * output) * tierPpm * ppm;
      for (const unitClass in hosted) {
        const units = hosted[unitClass];
        if (units) scaled += BigInt(units) * classPicoUsd(band.picoUsdPerUnit, unitClass) * ppm * ppm;
      }
      const cost = (scaled * prices.markupPpm + costDivisor - 1n) / costDivisor;
      if (cost > most) most = cost;
    }
  }
  return most;
}

type Tier = ReturnType<typeof findTier>;

/** The dearest tier that each price's own project may serve unasked; found once per price version. */
const unaskedTiers = new WeakMap<Prices, readonly Tier[]>();

function tiersWithin(prices: Prices, serviceTier: string | null): readonly Tier[] {
  const plain = { bands: prices.bands, tierPpm: ppm };
  // A call that is not served in the tier it asks for is served in the plain one.
  if (serviceTier !== null && serviceTier !== "auto") {
    const asked = findTier(prices, serviceTier);
    return asked.bands === plain.bands && asked.tierPpm <= ppm ? [plain] : [asked, plain];
  }
  let tiers = unaskedTiers.get(prices);
  if (!tiers) {
    const named = new Set([...Object.keys(prices.tiersPpm), ...Object.keys(prices.tierBands ?? {})]);
    named.delete(onlyOnDemand);
    tiers = dearestFirst([plain, ...[...named].map((name) => findTier(prices, name))]);
    unaskedTiers.set(prices, tiers);
  }
  return tiers;
}

/** Leaves out what a dearer multiplier of the same bands covers. */
function dearestFirst(tiers: readonly Tier[]): readonly Tier[] {
  return tiers.filter(
    (tier) => !tiers.some((other) => other !== tier && other.bands === tier.bands && other.tierPpm > tier.tierPpm),
  );
}

type Dearest = { input: bigint; output: bigint };

const dearestText = new WeakMap<PriceBand, Dearest>();

function dearestOf(band: PriceBand, otherClasses: CostLimits["otherClasses"]): Dearest {
  if (otherClasses && otherClasses.size > 0) return findDearest(band, (each) => textClasses.has(each), otherClasses);
  let dearest = dearestText.get(band);
  if (!dearest) {
    dearest = findDearest(band, (each) => textClasses.has(each), new Set());
    dearestText.set(band, dearest);
  }
  return dearest;
}

function findDearest(
  { picoUsdPerUnit }: PriceBand,
  isText: (unitClass: string) => boolean,
  otherClasses: ReadonlySet<string>,
): Dearest {
  let input = dearestPicoUsd(picoUsdPerUnit, (each) => isInput(each) && isText(each));
  let output = dearestPicoUsd(picoUsdPerUnit, (each) => isOutput(each) && isText(each));
  for (const unitClass of otherClasses) {
    const price = classPicoUsd(picoUsdPerUnit, unitClass);
    if (isOutput(unitClass)) output = price > output ? price : output;
    else input = price > input ? price : input;
  }
  return { input, output };
}
