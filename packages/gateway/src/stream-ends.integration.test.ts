import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import type { Hold, HoldRequest, Refusal, Settlement } from "./ports.ts";
import { chatEvents, sendEvents, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}

const heldOf =
  (hold: Partial<Hold>) =>
  ({ id, bound }: HoldRequest): Promise<Hold> =>
    Promise.resolve({
      held: true,
      id,
      outputCapTokens: null,
      isCapLowered: false,
      doesReason: false,
      inputTokens: bound.inputTokens,
      outputTokens: 100_000,
      heldOutputTokens: 100,
      upstreamId: null,
      allowance: null,
      grant: null,
      ...hold,
    });

const outputOf = (settlement: Settlement | undefined): number =>
  settlement?.outcome === "captured" ? (settlement.usage.output ?? 0) : 0;

const used: Refusal = { refused: "credit_balance_exhausted", message: "Your balance is used up." };

const post = ({ url }: Scripted, path: string, body: object, init: RequestInit = {}) =>
  fetch(`${url}/${path}`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", "content-type": "application/json" },
    body: JSON.stringify({ model: "m", stream: true, ...body }),
    ...init,
  });

/** All that came before the connection broke. */
async function readBroken(response: Response): Promise<{ text: string; isBroken: boolean }> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body!) text += decoder.decode(chunk as Uint8Array, { stream: true });
  } catch {
    return { text, isBroken: true };
  }
  return { text, isBroken: false };
}

const responsesEvents = (words: string[]): string[] => [
  `event: response.created\ndata: ${JSON.stringify({ type: "response.created", response: { id: "resp_1", model: "m" } })}\n\n`,
  ...words.map(
    (delta) =>
      `event: response.output_text.delta\ndata: ${JSON.stringify({ type: "response.output_text.delta", delta })}\n\n`,
  ),
];

describe("a stream for which nothing more can be held", () => {
  const noMore = {
    placeHold: heldOf({}),
    extendHold: () => Promise.resolve({ heldOutputTokens: 150, refusal: used }),
  };
  const words = Array<string>(2_000).fill("word ");

  test("of a chat ends with an error and a broken connection, and is charged for what came", async () => {
    const up = await start((res) => sendEvents(res, chatEvents(words), { everyMs: 1 }), noMore);
    const { text, isBroken } = await readBroken(await post(up, "chat/completions", { messages: [] }));
    expect(isBroken).toBe(true);
    expect(text).not.toContain("[DONE]");
    const last = JSON.parse(text.trimEnd().split("\n\n").at(-1)!.slice("data: ".length)) as object;
    expect(last).toEqual({
      error: {
        message: "Your balance is used up.",
        type: "insufficient_quota",
        code: "credit_balance_exhausted",
        param: null,
      },
    });
    expect(up.settlements).toMatchObject([
      { outcome: "captured", basis: "observed", flags: ["ended_for:credit_balance_exhausted"] },
    ]);
    const output = outputOf(up.settlements[0]);
    expect(output).toBeGreaterThanOrEqual(150);
    expect(output).toBeLessThan(400);
    expect(up.gateway.inFlight()).toBe(0);
  });

  test("of responses ends with response.failed and then an error", async () => {
    const up = await start((res) => sendEvents(res, responsesEvents(words), { everyMs: 1 }), noMore);
    const { text, isBroken } = await readBroken(await post(up, "responses", { input: "hello" }));
    expect(isBroken).toBe(true);
    const ends = text.trimEnd().split("\n\n").slice(-2);
    expect(ends.map((each) => each.split("\n")[0])).toEqual(["event: response.failed", "event: error"]);
    expect(JSON.parse(ends[0]!.split("\ndata: ")[1]!)).toMatchObject({
      type: "response.failed",
      response: { id: "resp_1", status: "failed", error: { code: "credit_balance_exhausted" } },
    });
    expect(JSON.parse(ends[1]!.split("\ndata: ")[1]!)).toMatchObject({
      type: "error",
      code: "credit_balance_exhausted",
    });
    expect(up.settlements).toHaveLength(1);
  });

  test("is an exception to the SDK", async () => {
    const up = await start((res) => sendEvents(res, chatEvents(words), { everyMs: 1 }), noMore);
    const client = new OpenAI({ apiKey: "sk-good", baseURL: up.url, maxRetries: 0 });
    const stream = await client.chat.completions.create({ model: "m", stream: true, messages: [] });
    await expect(async () => {
      for await (const _chunk of stream);
    }).rejects.toThrow(/used up/);
  });

  test("and which its client leaves meanwhile is settled once", async () => {
    const up = await start((res) => sendEvents(res, chatEvents(words), { everyMs: 1 }), noMore);
    const controller = new AbortController();
    const response = await post(up, "chat/completions", { messages: [] }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 120);
    await readBroken(response);
    await expect.poll(() => up.gateway.inFlight(), { timeout: 10_000 }).toBe(0);
    expect(up.settlements).toHaveLength(1);
  });
});

test("a stream that outruns its slices goes on whole where there is money, and nothing of it is changed", async () => {
  const asked: number[] = [];
  const events = chatEvents(Array<string>(5_000).fill("word "));
  const up = await start((res) => sendEvents(res, events), {
    placeHold: heldOf({}),
    extendHold: async ({ outputTokens }) => {
      asked.push(outputTokens);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { heldOutputTokens: outputTokens, refusal: null };
    },
  });
  const response = await post(up, "chat/completions", { messages: [], stream_options: { include_usage: true } });
  expect(await response.text()).toBe(events.join(""));
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "exact", usage: { output: 5_000 } }]);
  expect(asked.length).toBeGreaterThan(0);
});

test.each([
  [true, { outcome: "captured", basis: "observed", flags: ["broke_off"] }],
  [false, { outcome: "released", reason: "broke_off" }],
])(
  "an answer that its upstream breaks off is charged for where the setting says so: %s",
  async (isCharged, settled) => {
    const events = chatEvents(Array<string>(20).fill("x ")).slice(0, 10);
    const up = await start((res) => sendEvents(res, events, { everyMs: 1, thenDestroy: true }), {
      chargesBrokenAnswers: () => isCharged,
    });
    const { isBroken } = await readBroken(await post(up, "chat/completions", { messages: [] }));
    expect(isBroken).toBe(true);
    expect(up.settlements).toMatchObject([settled]);
  },
);

describe("the streams of a key that may not call any more", () => {
  test.each([
    ["that says nothing", []],
    ["that talks", chatEvents(Array<string>(2_000).fill("x ")).slice(0, 1_000)],
  ])("end at once, one %s too, and are charged for what came", async (_, events) => {
    const up = await start((res) => sendEvents(res, events, { everyMs: 5, isOpen: true }), { placeHold: heldOf({}) });
    const reading = post(up, "chat/completions", { messages: [] }).then(readBroken);
    await expect.poll(() => up.gateway.streamingKeys(), { timeout: 10_000 }).toEqual(["key"]);
    expect(up.gateway.endStreams("another", { refused: "key_disabled" })).toBe(0);
    expect(up.gateway.endStreams("key", { refused: "key_disabled" })).toBe(1);
    const { text, isBroken } = await reading;
    expect(isBroken).toBe(true);
    expect(text).toContain('"code":"key_disabled"');
    expect(up.settlements).toMatchObject([
      { outcome: "captured", basis: "observed", flags: ["ended_for:key_disabled"] },
    ]);
    expect(up.gateway.streamingKeys()).toEqual([]);
  });
});

describe("a stream of a model that reasons, and whose client leaves early", () => {
  const reasoned = (reasoning: number, words: number) => {
    const events = chatEvents(Array<string>(words).fill("x "));
    return events.map((event) => event.replace(/"completion_tokens":\d+/, `"completion_tokens":${reasoning + words}`));
  };

  /** Leaves after so many bytes. */
  async function leaveAfter(up: Scripted, bytes: number): Promise<void> {
    const controller = new AbortController();
    const response = await post(up, "chat/completions", { messages: [] }, { signal: controller.signal });
    const reader = response.body!.getReader();
    for (let read = 0; read <= bytes;) {
      const { value, done } = await reader.read();
      if (done) break;
      read += (value as Uint8Array).length;
    }
    controller.abort();
    await expect.poll(() => up.gateway.inFlight(), { timeout: 20_000 }).toBe(0);
  }

  test("is read on, and charged as its provider bills it, wherever the client leaves", async () => {
    const billed: number[] = [];
    const up = await start(
      (res) => {
        const [reasoning, words] = [Math.floor(Math.random() * 10_000), 1 + Math.floor(Math.random() * 30)];
        billed.push(reasoning + words);
        sendEvents(res, reasoned(reasoning, words), { everyMs: 2 });
      },
      { placeHold: heldOf({ doesReason: true, heldOutputTokens: 16_384 }) },
    );
    for (let n = 0; n < 25; n++) await leaveAfter(up, Math.floor(Math.random() * 4_000));
    const charged = up.settlements.map(outputOf);
    const sum = (all: readonly number[]): number => all.reduce((before: number, each: number) => before + each, 0);
    expect(charged).toHaveLength(25);
    expect(sum(charged)).toBeGreaterThanOrEqual(0.98 * sum(billed));
    expect(sum(charged)).toBeLessThanOrEqual(sum(billed));
  });

  test("is not read on beyond its time, and then charged by it: never near nothing", async () => {
    const up = await start(
      (res) => sendEvents(res, chatEvents(["x "]).slice(0, 1), { isOpen: true }),
      { placeHold: heldOf({ doesReason: true, heldOutputTokens: 16_384 }) },
      { backgroundReads: { readMs: 1_000 } },
    );
    await leaveAfter(up, 0);
    expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed" }]);
    expect(outputOf(up.settlements[0])).toBeGreaterThanOrEqual(50);
  });

  test("is not read on where too many are, nor does it stay open", async () => {
    let closed = 0;
    const up = await start(
      (res) => {
        res.once("close", () => closed++);
        sendEvents(res, chatEvents(["x "]).slice(0, 1), { isOpen: true });
      },
      { placeHold: heldOf({ doesReason: true, heldOutputTokens: 16_384 }) },
      { backgroundReads: { perUser: 0 } },
    );
    await leaveAfter(up, 0);
    expect(up.settlements).toHaveLength(1);
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(1);
  });
});
