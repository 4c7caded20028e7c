import fc from "fast-check";
import { expect, test } from "vitest";
import { readUsage } from "./read-usage.ts";

const unitsOf = (usage: unknown, defaults?: Parameters<typeof readUsage>[1]) => readUsage(usage, defaults)?.units;
const flagsOf = (usage: unknown) => readUsage(usage)?.flags;

test("chat completions, responses and embeddings give the same classes", () => {
  const details = { cached_tokens: 30, cache_write_tokens: 10 };
  const classes = { input: 60, cached_input: 30, cache_write_30m: 10, output: 20 };
  expect(
    unitsOf({ prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: details }),
  ).toEqual(classes);
  expect(unitsOf({ input_tokens: 100, output_tokens: 20, input_tokens_details: details })).toEqual(classes);
  expect(unitsOf({ prompt_tokens: 8, total_tokens: 8 })).toEqual({ input: 8, output: 0 });
});

test("cache writes are counted by their lifetime", () => {
  const details = {
    cache_write_tokens: 5_000,
    cache_write_tokens_details: { ttl_30m_tokens: 0, ttl_12h_tokens: 5_000 },
  };
  expect(unitsOf({ input_tokens: 5_000, output_tokens: 0, input_tokens_details: details })).toEqual({
    input: 0,
    cache_write_12h: 5_000,
    output: 0,
  });
  const mixed = { cache_write_tokens: 70, cache_write_tokens_details: { ttl_30m_tokens: 30, ttl_12h_tokens: 40 } };
  expect(unitsOf({ input_tokens: 100, output_tokens: 0, input_tokens_details: mixed })).toEqual({
    input: 30,
    cache_write_30m: 30,
    cache_write_12h: 40,
    output: 0,
  });
});

test("audio and pictures are classes of their own, on both sides, cached or not", () => {
  expect(
    unitsOf({
      prompt_tokens: 1_000,
      completion_tokens: 1_000,
      prompt_tokens_details: { audio_tokens: 900, text_tokens: 100 },
      completion_tokens_details: { audio_tokens: 800, text_tokens: 200 },
    }),
  ).toEqual({ input: 100, audio_input: 900, output: 200, audio_output: 800 });
  expect(
    unitsOf({
      input_tokens: 100,
      output_tokens: 10,
      input_token_details: {
        text_tokens: 40,
        audio_tokens: 50,
        image_tokens: 10,
        cached_tokens: 35,
        cached_tokens_details: { text_tokens: 20, audio_tokens: 15, image_tokens: 0 },
      },
      output_token_details: { text_tokens: 4, audio_tokens: 6 },
    }),
  ).toEqual({
    input: 20,
    cached_input: 20,
    audio_input: 35,
    cached_audio_input: 15,
    image_input: 10,
    output: 4,
    audio_output: 6,
  });
});

test("pictures that come out are image tokens where no split says otherwise", () => {
  const usage = { input_tokens: 50, output_tokens: 7_000, input_tokens_details: { text_tokens: 10, image_tokens: 40 } };
  expect(unitsOf(usage, { output: "image_output" })).toEqual({
    input: 10,
    image_input: 40,
    output: 0,
    image_output: 7_000,
  });
  const split = { ...usage, output_tokens_details: { text_tokens: 500, image_tokens: 6_500 } };
  expect(unitsOf(split, { output: "image_output" })).toMatchObject({ output: 500, image_output: 6_500 });
});

test("reasoning is part of the output; where the total says more, the rest is output, flagged", () => {
  const details = { reasoning_tokens: 15 };
  expect(unitsOf({ input_tokens: 1, output_tokens: 20, output_tokens_details: details })?.output).toBe(20);
  const outside = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 30, completion_tokens_details: details };
  expect(readUsage(outside)).toMatchObject({ units: { input: 10, output: 20 }, flags: ["total_differs"] });
  expect(readUsage({ prompt_tokens: 10, total_tokens: 30 })).toMatchObject({
    units: { output: 20 },
    isOutputStated: true,
  });
  expect(flagsOf({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 12 })).toEqual([]);
});

test("compatible servers' spellings of cached tokens are read", () => {
  expect(unitsOf({ prompt_tokens: 100, completion_tokens: 1, prompt_cache_hit_tokens: 64 })).toEqual({
    input: 36,
    cached_input: 64,
    output: 1,
  });
  expect(unitsOf({ input_tokens: 9, output_tokens: 1, cache_read_input_tokens: 4 })?.cached_input).toBe(4);
});

test("parts that are more than the whole are clamped and flagged", () => {
  const details = { cached_tokens: 80, cache_write_tokens: 50 };
  expect(readUsage({ prompt_tokens: 100, completion_tokens: 0, prompt_tokens_details: details })).toMatchObject({
    units: { input: 0, cached_input: 80, cache_write_30m: 20, output: 0 },
    flags: ["clamped"],
  });
});

test("a count that is not known here is flagged, a price or a name is not", () => {
  expect(flagsOf({ prompt_tokens: 1, completion_tokens: 1, video_tokens: 3 })).toEqual(["unknown_usage"]);
  const details = { text_tokens: 1, quantum_tokens: 4 };
  expect(flagsOf({ input_tokens: 1, output_tokens: 1, output_tokens_details: details })).toEqual(["unknown_usage"]);
  expect(flagsOf({ prompt_tokens: 1, completion_tokens: 1, cost: 0.1, provider: "x", video_tokens: 0 })).toEqual([]);
});

test("a side that is missing or cannot be read is told, and the other one is kept", () => {
  expect(readUsage({ prompt_tokens: 7 })).toMatchObject({ units: { input: 7 }, isOutputStated: false });
  for (const broken of [-1, 1.5, "7", {}, 1e300, Number.NaN]) {
    expect(readUsage({ prompt_tokens: broken, completion_tokens: 2 })).toMatchObject({
      units: { output: 2 },
      flags: ["unreadable_usage"],
      isInputStated: false,
      isOutputStated: true,
    });
  }
});

test.each([[null], [undefined], ["text"], [{}], [[]], [{ total_tokens: 5 }]])("%j states nothing", (usage) => {
  expect(readUsage(usage)).toBeNull();
});

test("a duration is counted in whole seconds, begun ones included", () => {
  expect(readUsage({ type: "duration", seconds: 12.2 })?.units).toEqual({ second: 13 });
  expect(readUsage({ type: "duration", seconds: -1 })?.isInputStated).toBe(false);
});

test("whatever is stated, the classes are whole, never negative, and add up to the sides", () => {
  const count = fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.constantFrom(null, undefined, -5, 0.5, "9", 1e300));
  const details = fc.record(
    {
      cached_tokens: count,
      cache_write_tokens: count,
      audio_tokens: count,
      image_tokens: count,
      text_tokens: count,
      cached_tokens_details: fc.record({ audio_tokens: count, image_tokens: count }, { requiredKeys: [] }),
      cache_write_tokens_details: fc.record({ ttl_30m_tokens: count, ttl_12h_tokens: count }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  const side = fc.integer({ min: 0, max: 5_000 });
  fc.assert(
    fc.property(side, side, details, details, (input, output, inputDetails, outputDetails) => {
      const units =
        unitsOf({
          input_tokens: input,
          output_tokens: output,
          input_tokens_details: inputDetails,
          output_tokens_details: outputDetails,
        }) ?? {};
      let [inputs, outputs] = [0, 0];
      for (const [unitClass, n] of Object.entries(units)) {
        expect(Number.isSafeInteger(n) && n >= 0).toBe(true);
        if (unitClass.endsWith("output")) outputs += n;
        else inputs += n;
      }
      expect([inputs, outputs]).toEqual([input, output]);
    }),
    { numRuns: 2_000 },
  );
});

test("reasoning that is more than the output it should be part of was left out of it", () => {
  const details = { reasoning_tokens: 500 };
  const usage = { prompt_tokens: 9, completion_tokens: 10, completion_tokens_details: details };
  expect(unitsOf(usage)).toEqual({ input: 9, output: 510 });
  expect(unitsOf({ ...usage, total_tokens: 519 })).toEqual({ input: 9, output: 510 });
  expect(flagsOf(usage)).toEqual(["total_differs"]);
});
