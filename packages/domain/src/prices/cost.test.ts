import fc from "fast-check";
import { expect, test } from "vitest";
import { costNanoUsd, type Prices } from "./cost.ts";
import { maxCostNanoUsd } from "./max-cost.ts";

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

test("a call is held for at the dearer of the tier that it asks for and the plain one", () => {
  const prices = { ...longContext, tiersPpm: { ...longContext.tiersPpm, ultrafast: 6_000_000n } };
  const limits = { inputTokens: 0, outputTokens: 100, hosted: { web_search_call: 2 } };
  const boundAt = (serviceTier: string | null) => Number(maxCostNanoUsd(prices, { ...limits, serviceTier })) / 1e6;
  expect([null, "auto", "default", "flex", "priority", "fast", "ultrafast"].map(boundAt)).toEqual(
    [1, 1, 1, 1, 2, 2, 6].map((tier) => tier + 20),
  );
});

test("the served tier multiplies", () => {
  expect(costNanoUsd(longContext, { output: 100 }, "flex")).toBe(500_000n);
  expect(costNanoUsd(longContext, { output: 100 }, "priority")).toBe(2_000_000n);
  expect(costNanoUsd(longContext, { output: 100 }, "fast")).toBe(2_000_000n);
  expect(costNanoUsd(longContext, { output: 100 }, "default")).toBe(1_000_000n);
});

const units = fc.nat({ max: 2_000_000 });
const tokenClasses = [
  "input",
  "cached_input",
  "cache_write",
  "cache_write_30m",
  "cache_write_12h",
  "audio_input",
  "cached_audio_input",
  "image_input",
  "cached_image_input",
  "output",
  "audio_output",
  "image_output",
];
const callClasses = ["web_search_call", "file_search_call", "image_generation_call", "container_gb"];
const eachOf = <Value>(classes: readonly string[], value: fc.Arbitrary<Value>) =>
  fc.record(Object.fromEntries(classes.map((unitClass) => [unitClass, value])), { requiredKeys: [] });

const usages = fc.tuple(eachOf(tokenClasses, units), eachOf(callClasses, fc.nat({ max: 1_000 })));
const amount = fc.bigInt({ min: 0n, max: 100_000_000n });
const bandAmounts = fc.record(Object.fromEntries([...tokenClasses, ...callClasses].map((name) => [name, amount])));
const multiplier = fc.bigInt({ min: 0n, max: 10_000_000n });
const books = fc.record({
  base: bandAmounts,
  long: bandAmounts,
  priority: bandAmounts,
  flexPpm: multiplier,
  windowPpm: multiplier,
  markupPpm: multiplier,
});
const served = fc.record({
  tier: fc.constantFrom(null, "default", "flex", "priority", "fast", "unheard-of"),
  window: fc.constantFrom(null, "soonest", "2h", "8h"),
});
const longAboveTokens = 272_000;

/** The same sum as an exact fraction, rounded by comparing remainders instead of by adding a half. */
function reference(
  book: typeof books extends fc.Arbitrary<infer Book> ? Book : never,
  [tokens, calls]: [Record<string, number | undefined>, Record<string, number | undefined>],
  { tier, window }: { tier: string | null; window: string | null },
): bigint {
  const inputTokens = Object.entries(tokens).reduce(
    (sum, [name, n]) => sum + (name.endsWith("output") ? 0 : (n ?? 0)),
    0,
  );
  const isLong = inputTokens > longAboveTokens;
  const isPriority = tier === "priority" || tier === "fast";
  const amounts = isPriority ? book.priority : isLong ? book.long : book.base;
  const tierPpm = tier === "flex" ? book.flexPpm : 1_000_000n;
  const windowPpm = window === "2h" ? book.windowPpm : 1_000_000n;
  const sumOf = (usage: Record<string, number | undefined>) =>
    Object.entries(usage).reduce((sum, [name, n]) => sum + BigInt(n ?? 0) * amounts[name]!, 0n);
  const numerator = (sumOf(tokens) * tierPpm * windowPpm + sumOf(calls) * 10n ** 12n) * book.markupPpm;
  const denominator = 10n ** 21n;
  const whole = numerator / denominator;
  return (numerator - whole * denominator) * 2n >= denominator ? whole + 1n : whole;
}

test("100 000 random usages over all classes, tiers, windows and bands cost what an exact reference says", () => {
  fc.assert(
    fc.property(usages, books, served, ([tokens, calls], book, how) => {
      const prices: Prices = {
        bands: [
          { aboveInputTokens: -1, picoUsdPerUnit: book.base },
          { aboveInputTokens: longAboveTokens, picoUsdPerUnit: book.long },
        ],
        tiersPpm: { flex: book.flexPpm },
        windowsPpm: { "2h": book.windowPpm },
        tierBands: { priority: [{ aboveInputTokens: -1, picoUsdPerUnit: book.priority }] },
        markupPpm: book.markupPpm,
      };
      const usage = { ...tokens, ...calls };
      return costNanoUsd(prices, usage, how.tier, how.window) === reference(book, [tokens, calls], how);
    }),
    { numRuns: 100_000 },
  );
});

test("no usage within its limits costs more than what was held for them", () => {
  fc.assert(
    fc.property(usages, books, ([tokens, hosted], book) => {
      const prices: Prices = {
        bands: [
          { aboveInputTokens: -1, picoUsdPerUnit: book.base },
          { aboveInputTokens: longAboveTokens, picoUsdPerUnit: book.long },
        ],
        tiersPpm: { flex: book.flexPpm },
        tierBands: { priority: [{ aboveInputTokens: -1, picoUsdPerUnit: book.priority }] },
        markupPpm: book.markupPpm,
      };
      const outputTokens = (tokens.output ?? 0) + (tokens.audio_output ?? 0) + (tokens.image_output ?? 0);
      const inputTokens = Object.entries(tokens).reduce(
        (sum, [name, n]) => sum + (name.endsWith("output") ? 0 : n!),
        0,
      );
      const limits = { inputTokens, outputTokens, hosted, otherClasses: new Set(tokenClasses) };
      return [null, "flex", "priority"].every((asked) => {
        const most = maxCostNanoUsd(prices, { ...limits, serviceTier: asked });
        return [null, asked].every((tier) => costNanoUsd(prices, { ...tokens, ...hosted }, tier) <= most);
      });
    }),
    { numRuns: 10_000 },
  );
});

test("cache writes of twelve hours are held for where they were asked for, and only there", () => {
  const prices: Prices = {
    bands: [
      { aboveInputTokens: -1, picoUsdPerUnit: { input: 2_000n, cache_write_30m: 2_500n, cache_write_12h: 5_000n } },
    ],
    tiersPpm: {},
    markupPpm: 1_000_000n,
  };
  const limits = { inputTokens: 1_000, outputTokens: 0 };
  expect(maxCostNanoUsd(prices, limits)).toBe(2_500n);
  expect(maxCostNanoUsd(prices, { ...limits, otherClasses: new Set(["cache_write_12h"]) })).toBe(5_000n);
});

test("a row of an older version prices its cache writes as those of 30 minutes", () => {
  const prices: Prices = {
    bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: 2_000n, cache_write: 2_500n, audio_input: 32_000n } }],
    tiersPpm: {},
    markupPpm: 1_000_000n,
  };
  expect(costNanoUsd(prices, { cache_write_30m: 10 }, null)).toBe(25n);
  // No price of its own, nor of what it is a part of: the dearest input.
  expect(costNanoUsd(prices, { cache_write_12h: 10 }, null)).toBe(320n);
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
