import fc from "fast-check";
import { expect, test } from "vitest";
import { readUsage } from "./usage.ts";

const bound = { inputTokens: 1_000, outputTokens: 1_000 };

test("chat completions, responses and embeddings give the same classes", () => {
  const classes = { input: 60, cached_input: 30, cache_write: 10, output: 20 };
  const details = { cached_tokens: 30, cache_write_tokens: 10 };
  const chat = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: details };
  const responses = { input_tokens: 100, output_tokens: 20, total_tokens: 120, input_tokens_details: details };
  expect(readUsage(chat, bound)).toEqual({ usage: classes, flags: [] });
  expect(readUsage(responses, bound)).toEqual({ usage: classes, flags: [] });
  expect(readUsage({ prompt_tokens: 8, total_tokens: 8 }, bound)?.usage).toEqual({
    input: 8,
    cached_input: 0,
    cache_write: 0,
    output: 0,
  });
});

test("reasoning tokens are part of the output and not added", () => {
  const usage = { input_tokens: 1, output_tokens: 20, output_tokens_details: { reasoning_tokens: 15 } };
  expect(readUsage(usage, bound)?.usage.output).toBe(20);
});

test("parts that are more than the whole are clamped and flagged", () => {
  const details = { cached_tokens: 80, cache_write_tokens: 50 };
  expect(readUsage({ prompt_tokens: 100, completion_tokens: 0, prompt_tokens_details: details }, bound)).toEqual({
    usage: { input: 0, cached_input: 80, cache_write: 20, output: 0 },
    flags: ["clamped"],
  });
});

test.each([
  ["nothing", null],
  ["an empty object", {}],
  ["a negative count", { prompt_tokens: -1, completion_tokens: 2 }],
  ["a fraction", { prompt_tokens: 1.5, completion_tokens: 2 }],
  ["a text", { prompt_tokens: "7", completion_tokens: 2 }],
  ["more cached than input", { prompt_tokens: 1, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 2 } }],
  ["more than twice the bound", { prompt_tokens: 1, completion_tokens: 2_001 }],
])("%s is not believed", (_what, usage) => {
  expect(readUsage(usage, bound)).toBeNull();
});

test("whatever the upstream says, the classes are whole, never negative, and add up to its input", () => {
  const count = fc.integer({ min: -10, max: 3_000 });
  fc.assert(
    fc.property(count, count, count, count, (input, output, cached, written) => {
      const details = { cached_tokens: cached, cache_write_tokens: written };
      const read = readUsage({ input_tokens: input, output_tokens: output, input_tokens_details: details }, bound);
      if (!read) return;
      const { usage } = read;
      expect(usage.input + usage.cached_input + usage.cache_write).toBe(input);
      expect(Math.min(usage.input, usage.cached_input, usage.cache_write, usage.output)).toBeGreaterThanOrEqual(0);
    }),
  );
});
