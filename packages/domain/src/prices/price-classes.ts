/** What a class of usage costs: its own price, or the price of what it is a part of. */
import { isOutput } from "@codex-gateway/ledger";

type PicoUsdByClass = Readonly<Record<string, bigint>>;

/**
 * Pico-USD per call of the provider's own tools, where a price does not say it: USD 10 per 1,000 searches, USD 2.50 per
 * 1,000 file searches, USD 0.25 for the dearest image, USD 0.03 per GB of a container's session
 * (https://openai.com/api/pricing). No tier makes them dearer or cheaper.
 */
const hostedPicoUsd: PicoUsdByClass = {
  web_search_call: 10_000_000_000n,
  file_search_call: 2_500_000_000n,
  image_generation_call: 250_000_000_000n,
  container_gb: 30_000_000_000n,
  // The image tool's tokens are its own model's, whatever the model is that calls it: USD 5, 8, 10 and 30 per million.
  image_tool_text_in: 5_000_000n,
  image_tool_image_in: 8_000_000n,
  image_tool_text_out: 10_000_000n,
  image_tool_image_out: 30_000_000n,
};

/** Tells whether a class counts calls of the provider's own tools. */
export const isHosted = (unitClass: string): boolean => hostedPicoUsd[unitClass] !== undefined;

/** Where a class without a price of its own looks next: the class that it is a part of. */
const plainClasses: Readonly<Record<string, readonly string[]>> = {
  cached_input: ["input"],
  cache_write: ["cache_write_30m", "input"],
  cache_write_30m: ["cache_write", "input"],
  cached_audio_input: ["audio_input"],
  cached_image_input: ["image_input"],
};

/**
 * Returns the price of a class, in pico-USD per unit. A class without a price costs as much as the class that it is a part
 * of; else as much as its dearest sibling of the same side: nothing is free, or cheap, by omission.
 */
export function classPicoUsd(prices: PicoUsdByClass, unitClass: string): bigint {
  const own = prices[unitClass] ?? hostedPicoUsd[unitClass];
  if (own !== undefined) return own;
  for (const plain of plainClasses[unitClass] ?? []) {
    const price = prices[plain];
    if (price !== undefined) return price;
  }
  return dearestPicoUsd(prices, (sibling) => isOutput(sibling) === isOutput(unitClass));
}

/** Returns the highest price among the token classes that fit. */
export function dearestPicoUsd(prices: PicoUsdByClass, fits: (unitClass: string) => boolean): bigint {
  let dearest = 0n;
  for (const unitClass in prices) {
    const price = prices[unitClass] ?? 0n;
    if (!isHosted(unitClass) && price > dearest && fits(unitClass)) dearest = price;
  }
  return dearest;
}
