import { expect, test } from "vitest";
import { costNanoUsd } from "./cost.ts";
import { readLiteLlmPrices } from "./litellm-prices.ts";
import { pricesFromJson } from "./prices-json.ts";

const now = new Date("2026-11-28T00:00:00Z");

const file = `{
  "sample_spec": { "litellm_provider": "openai", "input_cost_per_token": 0.0, "mode": "chat" },
  "gpt-4o-mini": {
    "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000, "max_output_tokens": 16384,
    "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08,
    "input_cost_per_token_batches": 7.5e-08, "output_cost_per_token_batches": 3e-07,
    "input_cost_per_token_priority": 2.5e-07, "output_cost_per_token_priority": 1e-06,
    "cache_read_input_token_cost_priority": 1.25e-07
  },
  "gpt-6-sol": {
    "litellm_provider": "openai", "mode": "responses",
    "input_cost_per_token": 2e-06, "input_cost_per_token_above_272k_tokens": 4e-06,
    "output_cost_per_token": 1e-05, "output_cost_per_token_above_272k_tokens": 1.5e-05
  },
  "too-fine": { "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.23456789e-08 },
  "nested \\"1.5\\"": { "litellm_provider": "other", "mode": "chat", "input_cost_per_token": 1 },
  "whisper-1": { "litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001 }
}`;

const { prices, skipped } = readLiteLlmPrices(file, { provider: "openai", now });
const pricesOf = (model: string) => pricesFromJson(prices.find((price) => price.model === model)!.prices, 1_000_000);

test("decimals are read as text: a ten-millionth of a dollar is exact", () => {
  expect(prices.map(({ model }) => model)).toEqual(["gpt-4o-mini", "gpt-6-sol"]);
  expect(prices[0]).toMatchObject({ contextTokens: 128_000, maxOutputTokens: 16_384 });
  expect(costNanoUsd(pricesOf("gpt-4o-mini"), { input: 1, cached_input: 3, output: 1 }, null)).toBe(975n);
});

test("a tier's columns are its own prices; a class that it does not name costs the plain price", () => {
  const usage = { input: 1_000, cached_input: 1_000, output: 1_000 };
  expect(costNanoUsd(pricesOf("gpt-4o-mini"), usage, "priority")).toBe(250_000n + 125_000n + 1_000_000n);
  expect(costNanoUsd(pricesOf("gpt-4o-mini"), usage, "batch")).toBe(75_000n + 75_000n + 300_000n);
});

test("columns above a threshold are a band", () => {
  expect(costNanoUsd(pricesOf("gpt-6-sol"), { input: 272_000, output: 1 }, null)).toBe(544_010_000n);
  expect(costNanoUsd(pricesOf("gpt-6-sol"), { input: 272_001, output: 1 }, null)).toBe(1_088_019_000n);
});

test("an amount finer than a pico-dollar is left out with a sentence", () => {
  expect(skipped).toEqual([{ model: "too-fine", reason: "This number has digits behind its place 12." }]);
});

test.each(["", "[]", "null", "{", '"text"'])("%j is refused", (text) => {
  expect(() => readLiteLlmPrices(text, { provider: "openai", now })).toThrow(SyntaxError);
});
