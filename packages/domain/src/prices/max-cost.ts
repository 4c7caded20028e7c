/** The most that a call can cost: the amount that is held for it. */
import { isInput, isOutput, type UsageUnits } from "@codex-gateway/ledger";
import { costDivisor, findTier, ppm, type PriceBand, type Prices } from "./cost.ts";
import { classPicoUsd, dearestPicoUsd } from "./price-classes.ts";

/** What bounds a call: tokens, calls of the provider's tools, and the tier it asks for (null: the plain one). */
export type CostLimits = {
  inputTokens: number;
  outputTokens: number;
  hosted?: UsageUnits;
  serviceTier?: string | null;
  /** Tiers that an upstream's project may serve it in where it asks for none. */
  projectTiers?: readonly string[];
  /** Classes beyond plain text that the request may be billed in: `audio_input`, `cache_write_12h` … */
  otherClasses?: ReadonlySet<string>;
};

/** Tokens of text may be billed in these without being asked for. */
const textClasses = new Set(["input", "cached_input", "cache_write", "cache_write_30m", "output"]);

/** Returns the most that a call can cost, in nano-USD: every token at the dearest price that it may be billed at. */
export function maxCostNanoUsd(prices: Prices, limits: CostLimits): bigint {
  const { inputTokens, outputTokens, hosted = {}, otherClasses } = limits;
  let most = 0n;
  for (const { bands, tierPpm } of tiersWithin(prices, limits)) {
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

function tiersWithin(prices: Prices, { serviceTier = null, projectTiers = [] }: CostLimits): readonly Tier[] {
  const plain = { bands: prices.bands, tierPpm: ppm };
  // Who asks for nothing is served in the plain tier, or in that of an upstream's project.
  if (serviceTier === null || serviceTier === "auto") {
    return projectTiers.length === 0 ? [plain] : [plain, ...projectTiers.map((each) => findTier(prices, each))];
  }
  // A call that is not served in the tier it asks for is served in the plain one.
  const asked = findTier(prices, serviceTier);
  return asked.bands === plain.bands && asked.tierPpm <= ppm ? [plain] : [asked, plain];
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
