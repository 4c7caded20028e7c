import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { findShutdownDay, isShutDown } from "./model-shutdowns.ts";
import { openAiPrices } from "./openai-prices.ts";
import { createPriceBook, type PriceVersion } from "./price-book.ts";
import { pricesFromJson } from "./prices-json.ts";
import { comingPrices, publishedPrices } from "./published-prices.ts";

/** Fixed, so that a shutdown turns no test red. */
const today = new Date("2026-11-28T12:00:00Z");

const book = createPriceBook(
  publishedPrices(today).map(({ model, prices, contextTokens, maxOutputTokens }): PriceVersion => ({
    id: model,
    model,
    prices: pricesFromJson(prices, 1_000_000),
    contextTokens,
    maxOutputTokens,
  })),
);

/** The names in a type of the official SDK that is a union of strings. */
function namesInSdk(typeName: string): string[] {
  const types = createRequire(import.meta.url)
    .resolve("openai/resources/shared")
    .replace(/\.m?js$/, ".d.ts");
  const [, union = ""] = new RegExp(`export type ${typeName} = ([^;]+);`).exec(readFileSync(types, "utf8")) ?? [];
  return [...union.matchAll(/'([^']+)'/g)].map(([, name]) => name as string);
}

test("every living chat model that the official SDK names has a price", () => {
  const names = [...namesInSdk("ChatModel"), ...namesInSdk("ResponsesModel")];
  expect(names.length).toBeGreaterThan(60);
  expect(names.filter((name) => !isShutDown(name, today) && book.find(name) === null)).toEqual([]);
});

test("every model of Codex's list has a price, and a cap of output", () => {
  const models = [
    "gpt-6.2-sol",
    "gpt-6.2-astra",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
    "gpt-6-sol",
    "gpt-6-astra",
    "gpt-5.5",
  ];
  for (const model of [...models, "gpt-5.6-sol"]) expect(book.find(model)?.maxOutputTokens).toBe(128_000);
});

test("another model's name that begins alike is not sold at this one's price", () => {
  for (const name of ["gpt-6-sol-pro", "gpt-6-sol-2026", "gpt-6-sol-2026-09-01-x", "gpt-5.5-promax", "gpt-4o-"]) {
    expect(book.find(name)).toBeNull();
  }
  expect(book.find("gpt-6-sol-2026-09-01")?.model).toBe("gpt-6-sol");
  expect(book.find("ft:gpt-4o-mini-2024-07-18:org:name:id")?.model).toBe("ft:gpt-4o-mini-2024-07-18:*");
});

test("an announced change counts from its day on", () => {
  const ultrafast = (day: string) =>
    publishedPrices(new Date(day)).find(({ model }) => model === "gpt-6.2-sol")?.prices.tiersPpm.ultrafast;
  expect([ultrafast("2027-02-28T23:59:59Z"), ultrafast("2027-03-01T00:00:00Z")]).toEqual(["3000000", "6000000"]);
  expect(comingPrices(today).map(({ model, validFrom }) => [model, validFrom.toISOString()])).toContainEqual([
    "gpt-6.2-sol",
    "2027-03-01T00:00:00.000Z",
  ]);
});

test("a model is gone from its day on, its snapshots with it, and others are not", () => {
  expect(findShutdownDay("gpt-5")).toBe("2026-12-11");
  expect(findShutdownDay("gpt-5-2025-08-07")).toBe("2026-12-11");
  expect(findShutdownDay("gpt-5.5")).toBeNull();
  expect(isShutDown("gpt-4o", new Date("2027-01-13T23:59:59Z"))).toBe(false);
  expect(isShutDown("gpt-4o", new Date("2027-01-14T00:00:00Z"))).toBe(true);
  for (const gone of ["gpt-3.5-turbo", "gpt-4", "gpt-4-turbo-2024-04-09", "o1", "o4-mini"]) {
    expect(isShutDown(gone, today)).toBe(true);
  }
  for (const living of ["gpt-4o", "gpt-4.1", "gpt-6-sol", "o3", "text-embedding-3-small"]) {
    expect(isShutDown(living, today)).toBe(false);
  }
});

test("each name has one price at a time, and each row a source", () => {
  const keys = openAiPrices.flatMap(({ models, validFrom }) => models.map((model) => `${model} ${validFrom}`));
  expect(new Set(keys).size).toBe(keys.length);
  for (const { source, validFrom } of openAiPrices) {
    expect(source).toMatch(/\(\d{4}-\d{2}-\d{2}\)$/);
    expect(validFrom).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  }
});
