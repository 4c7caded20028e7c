import fc from "fast-check";
import { expect, test } from "vitest";
import { costNanoUsd, maxCostNanoUsd, type Prices } from "./cost.ts";

/** USD 2 / 0.20 / 2.50 / 10 per million tokens; above 272 000 input tokens input ×2 and output ×1.5. */
const longContext: Prices = {
  bands: [
    {
      aboveInputTokens: -1,
      picoUsdPerUnit: { input: 2_000_000n, cached_input: 200_000n, cache_write: 2_500_000n, output: 10_000_000n },
    },
    {
      aboveInputTokens: 272_000,
      picoUsdPerUnit: { input: 4_000_000n, cached_input: 400_000n, cache_write: 5_000_000n, output: 15_000_000n },
    },
  ],
  tiersPpm: { flex: 500_000n, priority: 2_000_000n },
  markupPpm: 1_000_000n,
};

test("a plain call costs what the price list says", () => {
  expect(costNanoUsd(longContext, { input: 13, output: 15 }, null)).toBe(176_000n);
});

test("exactly at the threshold the short price holds, one token above the whole request is dearer", () => {
  expect(costNanoUsd(longContext, { input: 272_000 }, null)).toBe(544_000_000n);
  expect(costNanoUsd(longContext, { input: 272_001 }, null)).toBe(1_088_004_000n);
});

test("calls of the provider's tools have prices of their own, which no tier multiplies", () => {
  const usage = { input: 100, web_search_call: 3, container_gb: 4 };
  expect(costNanoUsd(longContext, usage, null)).toBe(200_000n + 30_000_000n + 120_000_000n);
  expect(costNanoUsd(longContext, usage, "priority")).toBe(400_000n + 30_000_000n + 120_000_000n);
  const [band] = longContext.bands;
  const dearSearch = { ...band!, picoUsdPerUnit: { ...band!.picoUsdPerUnit, web_search_call: 25_000_000_000n } };
  expect(costNanoUsd({ ...longContext, bands: [dearSearch] }, { web_search_call: 2 }, null)).toBe(50_000_000n);
});

test("a call is held for at the dearest tier it may be served in", () => {
  const prices = { ...longContext, tiersPpm: { ...longContext.tiersPpm, ultrafast: 6_000_000n } };
  const limits = { inputTokens: 0, outputTokens: 100, hosted: { web_search_call: 2 } };
  const boundAt = (serviceTier: string | null) => Number(maxCostNanoUsd(prices, { ...limits, serviceTier })) / 1e6;
  expect([null, "auto", "default", "flex", "priority", "fast", "ultrafast"].map(boundAt)).toEqual(
    [2, 2, 1, 1, 2, 2, 6].map((tier) => tier + 20),
  );
});

test("the served tier multiplies", () => {
  expect(costNanoUsd(longContext, { output: 100 }, "flex")).toBe(500_000n);
  expect(costNanoUsd(longContext, { output: 100 }, "priority")).toBe(2_000_000n);
  expect(costNanoUsd(longContext, { output: 100 }, "fast")).toBe(2_000_000n);
  expect(costNanoUsd(longContext, { output: 100 }, "default")).toBe(1_000_000n);
});

const units = fc.nat({ max: 2_000_000 });
const usages = fc.record({
  input: units,
  cached_input: units,
  cache_write: units,
  output: units,
  web_search_call: fc.nat({ max: 1_000 }),
});
const priceOf = fc.bigInt({ min: 0n, max: 100_000_000n });
const books = fc.record({
  input: priceOf,
  cached_input: priceOf,
  cache_write: priceOf,
  output: priceOf,
  web_search_call: fc.bigInt({ min: 0n, max: 100_000_000_000n }),
});
const multiplier = fc.bigInt({ min: 0n, max: 10_000_000n });

/** The same sum as an exact fraction, rounded by comparing remainders instead of by adding a half. */
function reference(
  prices: Record<string, bigint>,
  usage: Record<string, number>,
  tier: bigint,
  markup: bigint,
): bigint {
  const numerator = Object.keys(usage).reduce(
    (sum, key) => sum + BigInt(usage[key]!) * prices[key]! * (key.endsWith("_call") ? 1_000_000n : tier) * markup,
    0n,
  );
  const denominator = 10n ** 15n;
  const whole = numerator / denominator;
  return (numerator - whole * denominator) * 2n >= denominator ? whole + 1n : whole;
}

test("100 000 random usages cost what an exact rational reference says, and never more than the bound", () => {
  fc.assert(
    fc.property(usages, books, multiplier, multiplier, (usage, book, tier, markup) => {
      const prices: Prices = {
        bands: [{ aboveInputTokens: -1, picoUsdPerUnit: book }],
        tiersPpm: { flex: tier },
        markupPpm: markup,
      };
      const cost = costNanoUsd(prices, usage, "flex");
      if (cost !== reference(book, usage, tier, markup)) return false;
      const inputTokens = usage.input + usage.cached_input + usage.cache_write;
      const hosted = { web_search_call: usage.web_search_call };
      return cost <= maxCostNanoUsd(prices, { inputTokens, outputTokens: usage.output, hosted });
    }),
    { numRuns: 100_000 },
  );
});

test("a class without a price of its own costs as much as its plain class", () => {
  const prices: Prices = {
    bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: 1_000n, output: 2_000n } }],
    tiersPpm: {},
    markupPpm: 1_000_000n,
  };
  expect(costNanoUsd(prices, { cached_input: 3, audio_output: 5 }, null)).toBe(13n);
});

test("negative and broken units are refused", () => {
  expect(() => costNanoUsd(longContext, { input: -1 }, null)).toThrow(RangeError);
  expect(() => costNanoUsd(longContext, { input: 1.5 }, null)).toThrow(RangeError);
});
