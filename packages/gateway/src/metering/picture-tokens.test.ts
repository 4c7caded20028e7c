import { expect, test } from "vitest";
import { pictureTokens } from "./picture-tokens.ts";

const square = { width: 1_024, height: 1_024 };
const tall = { width: 2_048, height: 4_096 };
const tiny = { width: 128, height: 64 };

test.each([
  // The examples of OpenAI's guide.
  ["gpt-4o", square, "high", 765],
  ["gpt-4o", tall, "high", 1_105],
  ["gpt-4o", { width: 4_096, height: 8_192 }, "low", 85],
  ["gpt-4o-2024-11-20", tiny, "auto", 255],
  ["gpt-4o-mini", tiny, "low", 2_833],
  ["gpt-4o-mini", tiny, "high", 8_500],
  ["o3", square, "high", 675],
  ["gpt-5", square, "high", 630],
  ["gpt-4.1-mini", square, "high", Math.ceil(1_024 * 1.62)],
  ["o4-mini", square, "low", Math.ceil(1_024 * 1.72)],
  ["gpt-5-nano", { width: 8_000, height: 6_000 }, "high", Math.ceil(1_536 * 2.46)],
  ["gpt-5.4", { width: 1_600, height: 1_600 }, "high", 3_000],
  ["gpt-5.4", { width: 4_000, height: 4_000 }, "auto", 3_000],
  ["gpt-5.4", { width: 4_000, height: 4_000 }, "original", 12_000],
  ["gpt-5.5", { width: 4_000, height: 4_000 }, "auto", 12_000],
  ["gpt-5.6-sol", { width: 8_000, height: 8_000 }, "auto", 75_000],
  ["gpt-6-sol", { width: 8_000, height: 8_000 }, "high", 3_000],
  ["gpt-6.2-sol", tiny, "low", 308],
  ["openai/gpt-4o", square, "high", 765],
  ["ft:gpt-4o-2024-08-06:acme::x", square, "high", 765],
] as const)("%s counts %o in detail %s as %i", (model, size, detail, tokens) => {
  expect(pictureTokens(model, size, detail)).toBe(tokens);
});

test("one whose size is not known counts as the largest of its family", () => {
  expect(pictureTokens("gpt-4o", null, "auto")).toBe(85 + 8 * 170);
  expect(pictureTokens("gpt-6-sol", null, "auto")).toBe(12_000);
  expect(pictureTokens("gpt-6-sol", null, "low")).toBe(308);
});

test("a model that nobody knows counts no picture for less than OpenAI's do", () => {
  for (const model of ["gpt-4o", "o4-mini", "gpt-5-nano", "gpt-5.4", "gpt-6-sol"]) {
    expect(pictureTokens("qwen3-vl", square, "high")).toBeGreaterThanOrEqual(pictureTokens(model, square, "high"));
  }
});
