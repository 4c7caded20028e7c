import { expect, test } from "vitest";
import { publishedPrices } from "./published-prices.ts";
import { suggestPrice } from "./suggest-price.ts";

const now = new Date("2026-11-28");
const priced = publishedPrices(now);
const basedOn = (model: string) => suggestPrice(model, priced, now)?.basedOn ?? null;

test.each([
  ["gpt-6.3-sol", "gpt-6.2-sol"],
  ["gpt-6.2-terra", "gpt-6.1-terra"],
  ["gpt-7-sol", "gpt-6.2-sol"],
  ["gpt-6-sol-pro", "gpt-6-sol"],
  ["gpt-5.6-codex", "gpt-5.5-codex"],
])("%s is nearest to %s", (model, sibling) => {
  expect(basedOn(model)).toBe(sibling);
});

test("a published model is suggested at its own price, another vendor's at that vendor's", () => {
  expect(suggestPrice("gpt-6.2-sol", [], now)).toMatchObject({ kind: "published", basedOn: "openai" });
  const deepseek = suggestPrice("deepseek-chat", priced, now);
  expect(deepseek).toMatchObject({ kind: "published", basedOn: "deepseek" });
  expect(deepseek?.prices.bands[0]?.picoUsdPerUnit.input).toMatch(/^[1-9]\d+$/);
});

test("nothing is suggested for a name that is like no other", () => {
  expect(basedOn("my-own-model")).toBeNull();
  expect(basedOn("")).toBeNull();
});
