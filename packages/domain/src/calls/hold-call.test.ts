import type { HoldOrder, HoldOutcome, Ledger } from "@codex-gateway/ledger";
import { expect, test } from "vitest";
import { createPriceBook } from "../prices/price-book.ts";
import { holdCall, type BoundedCall } from "./hold-call.ts";

/** USD 1 per million input tokens, USD 2 per million output tokens: 1 000 and 2 000 nano-USD a token. */
const version = {
  id: "v1",
  model: "m",
  prices: {
    bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: 1_000_000n, output: 2_000_000n } }],
    tiersPpm: {},
    markupPpm: 1_000_000n,
  },
  contextTokens: 10_000,
  maxOutputTokens: null as number | null,
};

/** A ledger with so much free money. */
function ledgerWith(freeNanoUsd: bigint): { ledger: Pick<Ledger, "hold">; orders: HoldOrder[] } {
  const orders: HoldOrder[] = [];
  const hold = (order: HoldOrder): Promise<HoldOutcome> => {
    orders.push(order);
    const least = order.minAmountNanoUsd ?? order.amountNanoUsd;
    if (freeNanoUsd < least) return Promise.resolve({ outcome: "insufficient" });
    const amountNanoUsd = order.amountNanoUsd < freeNanoUsd ? order.amountNanoUsd : freeNanoUsd;
    return Promise.resolve({ outcome: "held", amountNanoUsd, allowance: null });
  };
  return {
    ledger: { hold },
    orders,
  };
}

const bound = {
  inputTokens: 100,
  remoteInputs: 0,
  hostedCalls: 0,
  outputTokens: null,
  choices: 1,
  extraOutputTokens: 0,
  hosted: {},
  otherClasses: [],
  serviceTier: null,
};
const call = (changes: Partial<BoundedCall["bound"]> = {}): BoundedCall => ({
  id: "r1",
  accountId: "a1",
  apiKeyId: "k1",
  endpoint: "chat.completions",
  model: "m",
  hasOutput: true,
  isStream: false,
  bound: { ...bound, ...changes },
});

async function held(freeNanoUsd: bigint, asked: BoundedCall, maxOutputTokens: number | null = null) {
  const { ledger, orders } = ledgerWith(freeNanoUsd);
  const prices = createPriceBook(["m", "o3", "gpt-5.5"].map((model) => ({ ...version, model, maxOutputTokens })));
  return {
    outcome: await holdCall({ ledger, prices, defaultMaxOutputTokens: 1_000, minReasoningOutputTokens: 200 }, asked),
    order: orders[0]!,
  };
}

test("the client's own cap times its choices is held, and nothing is sent upstream", async () => {
  const { outcome, order } = await held(10n ** 9n, call({ outputTokens: 50, choices: 3 }));
  expect(order).toMatchObject({ amountNanoUsd: 100_000n + 300_000n, minAmountNanoUsd: 100_000n + 96_000n });
  expect(outcome).toMatchObject({ outputCapTokens: null, isCapLowered: false, outputTokens: 150 });
});

test("the client's own cap is lowered to what the balance affords", async () => {
  const { outcome } = await held(100_000n + 2_000n * 90n, call({ outputTokens: 50, choices: 3 }));
  expect(outcome).toMatchObject({ outputCapTokens: 30, isCapLowered: true, outputTokens: 90, heldOutputTokens: 90 });
});

test("a cap of the client's below the least that is worth asking for is its own affair", async () => {
  const { order } = await held(10n ** 9n, call({ outputTokens: 3 }));
  expect(order).toMatchObject({ amountNanoUsd: 106_000n, minAmountNanoUsd: 106_000n });
});

test("what has no output is held for in full or not at all", async () => {
  const embedding = { ...call(), hasOutput: false };
  expect((await held(10n ** 9n, embedding)).order).toMatchObject({ amountNanoUsd: 100_000n, minAmountNanoUsd: null });
  expect((await held(99_999n, embedding)).outcome).toEqual({
    refused: "credit_balance_exhausted",
    message: "Your balance does not cover this request, which needs at least $0.000100.",
  });
});

test("a stream is held for up to its first slice, which is longer where the model reasons", async () => {
  const stream = (model: string, max: number) => ({ ...call({ outputTokens: max }), isStream: true, model });
  const first = await held(10n ** 9n, stream("m", 100_000));
  expect(first.order.amountNanoUsd).toBe(100_000n + 2_000n * 4_096n);
  expect(first.order.tokensBound).toBe(100 + 4_096);
  expect(first.outcome).toMatchObject({ outputCapTokens: null, outputTokens: 100_000, heldOutputTokens: 4_096 });
  const short = await held(10n ** 9n, stream("m", 500));
  expect(short.outcome).toMatchObject({ outputTokens: 500, heldOutputTokens: 500 });
  const reasoning = await held(10n ** 9n, stream("o3", 100_000));
  expect(reasoning.outcome).toMatchObject({ doesReason: true, heldOutputTokens: 16_384 });
});

test("a stream that the balance affords less than the first slice of is capped, as a whole answer is", async () => {
  const { outcome } = await held(100_000n + 2_000n * 40n, { ...call({ outputTokens: 9_000 }), isStream: true });
  expect(outcome).toMatchObject({ outputCapTokens: 40, isCapLowered: true, outputTokens: 40, heldOutputTokens: 40 });
});

test("below the floor of models that reason it is refused, with the amount that is needed", async () => {
  const reasoning = { ...call(), model: "gpt-5.5" };
  expect((await held(100_000n + 2_000n * 199n, reasoning)).outcome).toEqual({
    refused: "credit_balance_exhausted",
    message:
      "Your balance does not cover this request, which needs at least $0.000500 for its input and 200 tokens of output.",
  });
  const enough = await held(100_000n + 2_000n * 200n, reasoning);
  expect(enough.outcome).toMatchObject({ outputCapTokens: 200, isCapLowered: true });
});

test("a budget that does not cover a request is named with the amount that is needed, and when it resets", async () => {
  const ledger = { hold: () => Promise.resolve({ outcome: "daily_budget" } as const) };
  const prices = createPriceBook([version]);
  const outcome = await holdCall(
    { ledger, prices, defaultMaxOutputTokens: 1_000, minReasoningOutputTokens: 200 },
    call(),
  );
  expect(outcome).toEqual({
    refused: "project_spend_limit_exceeded",
    message:
      "The daily budget of this API key does not cover this request, which needs at least $0.000132 for its input and 16 " +
      "tokens of output. It resets at 00:00 UTC.",
    resetsAtMs: new Date().setUTCHours(24, 0, 0, 0),
  });
});

test("without a cap the balance decides, and what it affords is sent upstream", async () => {
  const { outcome } = await held(100_000n + 2_000n * 40n, call());
  expect(outcome).toMatchObject({ outputCapTokens: 40, outputTokens: 40 });
});

test("a model's known maximum needs no cap while the balance covers it", async () => {
  const { outcome, order } = await held(10n ** 9n, call(), 500);
  expect(order.amountNanoUsd).toBe(100_000n + 1_000_000n);
  expect(outcome).toMatchObject({ outputCapTokens: null, outputTokens: 500 });
});

test("below sixteen tokens of output it is refused", async () => {
  const { outcome } = await held(100_000n + 2_000n * 15n, call());
  expect(outcome).toMatchObject({ refused: "credit_balance_exhausted" });
});

test("what no ledger can write down is refused before it is asked", async () => {
  const dear = call({ inputTokens: Number.MAX_SAFE_INTEGER, outputTokens: Number.MAX_SAFE_INTEGER });
  const { outcome, order } = await held(10n ** 18n, dear);
  expect(outcome).toMatchObject({ refused: "credit_balance_exhausted" });
  expect(order).toBeUndefined();
});

test("what no wallet holds is refused before the ledger is asked: many of it in one batch would not add up", async () => {
  const dear = (outputTokens: number) => call({ outputTokens });
  expect((await held(10n ** 18n, dear(Number(2n ** 59n / 2_000n) - 100))).order).toBeDefined();
  expect(await held(10n ** 18n, dear(Number(2n ** 59n / 2_000n) + 100))).toMatchObject({
    outcome: { refused: "credit_balance_exhausted" },
    order: undefined,
  });
});

test("input that the body only points at is bounded by the model's context", async () => {
  const { order } = await held(10n ** 9n, call({ remoteInputs: 1, outputTokens: 1 }));
  expect(order.amountNanoUsd).toBe(10_000n * 1_000n + 2_000n);
});

test("a model without a price is refused by its name before the ledger is asked", async () => {
  const { outcome, order } = await held(10n ** 9n, { ...call(), model: `unknown\n${"x".repeat(1_000)}` });
  expect(order).toBeUndefined();
  const message = `The model "unknown\\n${"x".repeat(92)}…" has no price here, so it cannot be used.`;
  expect(outcome).toEqual({ refused: "model_not_priced", message, param: "model" });
});

test("calls of hosted tools are held for beside the tokens", async () => {
  const { order } = await held(10n ** 9n, call({ outputTokens: 1, hosted: { web_search_call: 16 } }));
  expect(order.amountNanoUsd).toBe(100_000n + 2_000n + 160_000_000n);
});

test("a request without a tier is held for at the price of the tier that an upstream's project serves it in", async () => {
  const prices = createPriceBook([{ ...version, prices: { ...version.prices, tiersPpm: { priority: 2_500_000n } } }]);
  const amountFor = async (serviceTier: string | null, projectTiers: string[]) => {
    const { ledger, orders } = ledgerWith(10n ** 9n);
    await holdCall(
      { ledger, prices, defaultMaxOutputTokens: 1_000, minReasoningOutputTokens: 2_000, projectTiers },
      call({ outputTokens: 50, serviceTier }),
    );
    return orders[0]!.amountNanoUsd;
  };
  expect(await amountFor(null, [])).toBe(200_000n);
  expect(await amountFor(null, ["priority"])).toBe(500_000n);
  expect(await amountFor("auto", ["flex", "priority"])).toBe(500_000n);
  expect(await amountFor("default", ["priority"])).toBe(200_000n);
  expect(await amountFor(null, ["flex"])).toBe(200_000n);
});

test("a service tier without a price is refused before the ledger is asked", async () => {
  const { outcome, order } = await held(10n ** 9n, call({ serviceTier: "ultrafast" }));
  expect([outcome, order]).toEqual([{ refused: "service_tier_not_priced", param: "service_tier" }, undefined]);
  expect((await held(10n ** 9n, call({ serviceTier: "default" }))).outcome).toMatchObject({ held: true });
});
