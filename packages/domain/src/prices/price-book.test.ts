import { expect, test } from "vitest";
import { costNanoUsd } from "./cost.ts";
import { createPriceBook, type PriceVersion } from "./price-book.ts";
import { pricesFromJson } from "./prices-json.ts";
import { publishedPrices, publishedTiers } from "./published-prices.ts";

const published = publishedPrices(new Date("2026-11-28"));
const book = createPriceBook(
  published.map(({ model, prices, contextTokens }, n): PriceVersion => ({
    id: String(n),
    model,
    prices: pricesFromJson(prices, 1_000_000),
    contextTokens,
    maxOutputTokens: null,
  })),
);
const usd = (model: string, usage: Record<string, number>) => {
  const version = book.find(model);
  return version && Number(costNanoUsd(version.prices, usage, null)) / 1e9;
};

test("a million tokens cost what the provider's page says", () => {
  expect(usd("gpt-4o", { input: 1_000_000 })).toBe(2.5);
  expect(usd("gpt-4o", { cached_input: 1_000_000 })).toBe(1.25);
  expect(usd("gpt-4o", { output: 1_000_000 })).toBe(10);
  expect(usd("text-embedding-3-small", { input: 1_000_000 })).toBe(0.02);
});

test("long requests pay the long price for all of their tokens", () => {
  expect(usd("gpt-6-sol", { input: 272_000, output: 1_000 })).toBe(0.554);
  expect(usd("gpt-6-sol", { input: 272_001, output: 1_000 })).toBe(1.103004);
});

test("searches cost what the provider asks per thousand", () => {
  expect(usd("gpt-6-sol", { web_search_call: 1_000 })).toBe(10);
  expect(usd("gpt-6-sol", { file_search_call: 1_000 })).toBe(2.5);
  expect(usd("gpt-4o-search-preview", { web_search_call: 1_000 })).toBe(25);
});

test("a model's own tiers count before the usual ones, and on the day they are valid", () => {
  const tiers = (model: string, day = "2026-11-01") => publishedTiers(model, new Date(day));
  expect(tiers("gpt-4o")).toEqual({ batch: "500000", flex: "500000", priority: "1700000" });
  expect(tiers("unknown")).toEqual({ batch: "500000", flex: "500000", priority: "2000000" });
  expect(tiers("gpt-6.2-sol").flex).toBeUndefined();
  expect(tiers("gpt-5.5-chat-latest").priority).toBe("2500000");
  expect(published.find(({ model }) => model === "gpt-5.5")?.prices.tiersPpm.priority).toBe("2500000");
  expect(tiers("gpt-6.1-sol").ultrafast).toBe("6000000");
  expect(tiers("gpt-6.2-sol", "2027-02-28T23:59:59Z").ultrafast).toBe("3000000");
  expect(tiers("gpt-6.2-sol", "2027-03-01T00:00:00Z").ultrafast).toBe("6000000");
});

test("the most that a model answers with is known of those that chat", () => {
  const most = (model: string) => published.find((price) => price.model === model)?.maxOutputTokens;
  expect(["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5", "gpt-5-chat-latest", "gpt-6-sol", "o3"].map(most)).toEqual([
    16_384, 16_384, 32_768, 128_000, 16_384, 128_000, 100_000,
  ]);
  expect(most("text-embedding-3-small")).toBeNull();
  const open = published.filter(({ model, maxOutputTokens }) => maxOutputTokens === null && /^(?:gpt|o\d)/.test(model));
  expect(open.map(({ model }) => model).filter((model) => !/image|realtime/.test(model))).toEqual([]);
});

test("a price for * is the price of every model that has no other", () => {
  const version = (model: string) => ({ ...book.find("gpt-4o")!, id: model, model });
  const withDefault = createPriceBook([version("*"), version("gpt-4o"), version("local-*")]);
  expect(["gpt-4o", "local-1", "anything"].map((model) => withDefault.find(model)?.id)).toEqual([
    "gpt-4o",
    "local-*",
    "*",
  ]);
});

test("of dated prices the one of the day counts", () => {
  const inputPrice = (day: string) =>
    publishedPrices(new Date(day)).find(({ model }) => model === "gpt-5.6-luna")?.prices.bands[0]?.picoUsdPerUnit.input;
  expect([inputPrice("2026-07-29"), inputPrice("2026-07-30")]).toEqual([undefined, "200000"]);
});

test("a dated snapshot has the price of its model, and an unknown model has none", () => {
  expect(book.find("gpt-6-sol-2026-09-01")).toBe(book.find("gpt-6-sol"));
  expect(book.find("no-such-model")).toBeNull();
  expect(book.find("gpt-6-sol-of-somebody")).toBeNull();
});

test("the longest pattern that fits counts, and a pattern is no model", () => {
  const version = (model: string): PriceVersion => ({
    id: model,
    model,
    prices: { bands: [], tiersPpm: {}, markupPpm: 1n },
    contextTokens: null,
    maxOutputTokens: null,
  });
  const patterns = createPriceBook([version("local-*"), version("local-big-*")]);
  expect(patterns.find("local-big-1")?.id).toBe("local-big-*");
  expect(patterns.find("local-1")?.id).toBe("local-*");
  expect(patterns.find("other")).toBeNull();
});

test("every published price has a first band that prices input", () => {
  expect(published.length).toBeGreaterThan(60);
  for (const { prices } of published) {
    expect(prices.bands[0]?.aboveInputTokens).toBe(-1);
    expect(prices.bands[0]?.picoUsdPerUnit.input).toMatch(/^\d+$/);
  }
});
