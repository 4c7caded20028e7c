import { expect, test } from "vitest";
import { createPriceBook } from "../prices/price-book.ts";
import { holdInSteps } from "./hold-in-steps.ts";
import type { HoldOrder, HoldOutcome } from "@codex-gateway/ledger";

/** USD 1 per million input tokens, USD 2 per million output tokens: 1 000 and 2 000 nano-USD a token. */
const version = {
  id: "v1",
  model: "m",
  prices: {
    bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: 1_000_000n, output: 2_000_000n } }],
    tiersPpm: {},
    markupPpm: 1_000_000n,
  },
  contextTokens: 400_000,
  maxOutputTokens: 100,
};
const bound = {
  inputTokens: 4_000,
  remoteInputs: 0,
  hostedCalls: 0,
  outputTokens: null,
  choices: 1,
  extraOutputTokens: 0,
  hosted: {},
  otherClasses: [],
  serviceTier: null,
};

async function holdWith(freeNanoUsd: bigint, changes: Partial<typeof bound> & { hosted?: object } = {}) {
  const orders: HoldOrder[] = [];
  let counts = 0;
  const ledger = {
    hold: (order: HoldOrder): Promise<HoldOutcome> => {
      orders.push(order);
      const least = order.minAmountNanoUsd ?? order.amountNanoUsd;
      if (freeNanoUsd < least) return Promise.resolve({ outcome: "insufficient" });
      const amountNanoUsd = order.amountNanoUsd < freeNanoUsd ? order.amountNanoUsd : freeNanoUsd;
      return Promise.resolve({ outcome: "held", amountNanoUsd, allowance: null });
    },
  };
  const held = await holdInSteps(
    {
      ledger,
      prices: createPriceBook([version]),
      defaultMaxOutputTokens: 100,
      minReasoningOutputTokens: 2_000,
      remoteInputTokens: 10_000,
    },
    {
      id: "r1",
      accountId: "a1",
      apiKeyId: "k1",
      endpoint: "responses",
      model: "m",
      hasOutput: true,
      isStream: false,
      bound: { ...bound, ...changes },
      countInputTokens: () => {
        counts++;
        return Promise.resolve(1_000);
      },
    },
  );
  return { held, counts, amounts: orders.map(({ amountNanoUsd }) => Number(amountNanoUsd) / 1_000) };
}

test("whoever can afford every byte as a token is not counted for", async () => {
  const { held, counts, amounts } = await holdWith(10n ** 9n);
  expect(held).toMatchObject({ held: true, inputTokens: 4_000, outputTokens: 100 });
  expect([counts, amounts]).toEqual([0, [4_200]]);
});

test("where the money is short, the input is counted, once", async () => {
  const { held, counts, amounts } = await holdWith(1_300_000n);
  expect(held).toMatchObject({ held: true, inputTokens: 1_000, outputTokens: 100 });
  expect([counts, amounts]).toEqual([1, [4_200, 1_200]]);
});

test("only then its output is capped", async () => {
  expect((await holdWith(1_100_000n)).held).toMatchObject({ held: true, inputTokens: 1_000, outputCapTokens: 50 });
});

test("what the provider fetches is the model's context, or a usual size of it", async () => {
  const rich = await holdWith(10n ** 9n, { remoteInputs: 2 });
  expect(rich.held).toMatchObject({ inputTokens: 400_000 });
  expect((await holdWith(30_000_000n, { remoteInputs: 2 })).held).toMatchObject({ inputTokens: 21_000 });
});

test("calls of the provider's tools are held for as many as they may be, or for the first", async () => {
  const search = { hostedCalls: 16, hosted: { web_search_call: 16 } };
  const searchNano = 10_000_000n;
  const all = await holdWith(16n * searchNano + 161_300_000n, search);
  expect(all.held).toMatchObject({ inputTokens: 161_000 });
  const first = await holdWith(searchNano + 11_300_000n, search);
  expect(first.held).toMatchObject({ held: true, inputTokens: 11_000, outputTokens: 100 });
  expect(first.counts).toBe(1);
});

test("who has not even that is refused", async () => {
  expect((await holdWith(1_000_000n)).held).toMatchObject({ refused: "credit_balance_exhausted" });
  expect((await holdWith(0n)).held).toMatchObject({ refused: "credit_balance_exhausted" });
});
