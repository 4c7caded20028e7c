import { expect, test } from "vitest";
import type { Hold, Refusal } from "../ports.ts";
import { StreamEndedError } from "../transport/stream-end.ts";
import { createHoldSlices } from "./hold-slices.ts";

/** As providers write it: about 200 bytes around the text. */
function anEvent(content: string, wrapBytes = 200) {
  const data = JSON.stringify({ id: "x".repeat(wrapBytes - 50), choices: [{ index: 0, delta: { content } }] });
  return { data, raw: Buffer.from(`data: ${data}\n\n`) };
}

type Answer = { heldOutputTokens: number; refusal: Refusal | null };

/** Events of so many tokens each, on a hold of so many tokens; `freeTokens` can be held for in all. */
function aStream({
  held = 1_000,
  most = 100_000,
  freeTokens = Infinity,
  ...hold
}: Partial<Omit<Hold, "held">> & { held?: number; most?: number; freeTokens?: number }) {
  const asked: number[] = [];
  let tokens = 0;
  let looks = 0;
  let nowMs = 0;
  const slices = createHoldSlices({
    ports: {
      extendHold: async ({ outputTokens }): Promise<Answer> => {
        asked.push(outputTokens);
        await Promise.resolve();
        return outputTokens <= freeTokens
          ? { heldOutputTokens: outputTokens, refusal: null }
          : { heldOutputTokens: freeTokens, refusal: { refused: "credit_balance_exhausted" } };
      },
      now: () => nowMs,
      log: () => undefined,
    },
    hold: {
      outputCapTokens: null,
      doesReason: false,
      ...hold,
      heldOutputTokens: held,
      outputTokens: most,
    } as unknown as Hold,
    countTokens: () => {
      looks++;
      return Promise.resolve(tokens);
    },
    startedAtMs: 0,
  });
  return {
    looks: () => looks,
    asked,
    slices,
    pass: (ms: number) => (nowMs += ms),
    count: (more: number) => (tokens += more),
    /** Sends so many; answers how many of them had to wait. */
    send: async (events: number, perEvent = 1) => {
      let waits = 0;
      for (let n = 0; n < events; n++) {
        tokens += perEvent;
        const wait = slices.note(anEvent("word".repeat(perEvent)));
        if (wait) {
          waits++;
          await wait;
        }
        // What goes on beside the stream goes on.
        if (n % 16 === 0) await new Promise(setImmediate);
      }
      return waits;
    },
  };
}

test("an answer that stays within half of its first slice asks for nothing", async () => {
  const { send, asked } = aStream({});
  expect(await send(499)).toBe(0);
  expect(asked).toEqual([]);
});

test("from half of it on more is held for, ahead of what comes: nothing waits", async () => {
  const { send, asked } = aStream({});
  expect(await send(20_000)).toBe(0);
  expect(asked.length).toBeLessThan(30);
  expect(asked).toEqual([...asked].sort((a, b) => a - b));
});

test.each([2, 10, 40, 200, 2_000])(
  "of events of %i tokens each, all of one size, none comes that is not held for",
  async (each) => {
    const stream = aStream({ freeTokens: 9_000 });
    let sent = 0;
    await expect(
      (async () => {
        for (;;) {
          await stream.send(1, each);
          sent += each;
        }
      })(),
    ).rejects.toThrow(StreamEndedError);
    expect(sent).toBeGreaterThanOrEqual(9_000 - each);
    expect(sent).toBeLessThanOrEqual(9_000 + Math.max(each, 64));
  },
);

test("fat events behind many thin ones of the same size are weighed by what they say", async () => {
  const stream = aStream({ freeTokens: 4_000 });
  for (let n = 0; n < 64; n++) await stream.slices.note(anEvent("a", 399));
  let sent = 0;
  await expect(
    (async () => {
      for (;;) {
        stream.count(80);
        sent += 80;
        await stream.slices.note(anEvent("word".repeat(80), 80));
        await new Promise(setImmediate);
      }
    })(),
  ).rejects.toThrow(StreamEndedError);
  expect(sent).toBeLessThan(4_000 + 32 * 80);
});

test("never more than one question is under way, and none beyond what can come", async () => {
  const { send, asked } = aStream({ most: 3_000 });
  await send(2_999);
  expect(Math.max(...asked)).toBe(3_000);
  expect(new Set(asked).size).toBe(asked.length);
});

test("where nothing more can be held the stream goes on for what is, and ends there", async () => {
  const stream = aStream({ freeTokens: 1_700 });
  await expect(stream.send(1_690)).resolves.toBeDefined();
  await expect(stream.send(200)).rejects.toEqual(new StreamEndedError({ refused: "credit_balance_exhausted" }));
});

test("one event with more than is held for waits until it is", async () => {
  const { send, slices, asked } = aStream({});
  expect(await send(1, 5_000)).toBe(1);
  expect(asked).toHaveLength(1);
  expect(slices.heldTokens()).toBeGreaterThan(5_000);
});

test("an event that is long and says nothing, such as the request's echo, holds for nothing", async () => {
  const { slices, asked } = aStream({});
  await slices.note({ raw: Buffer.alloc(1_000_000), data: null });
  await slices.note({
    raw: Buffer.alloc(60_000),
    data: JSON.stringify({ response: { instructions: "x".repeat(60_000) } }),
  });
  expect(asked).toEqual([]);
});

test("a capped answer may count a little more than its cap without being asked about", async () => {
  const { send, asked } = aStream({ held: 100, most: 100, outputCapTokens: 100, freeTokens: 100 });
  await send(150);
  expect(asked).toEqual([]);
});

test("an answer within a cap that is held for is not even counted, whatever the cap is", async () => {
  for (const cap of [50, 200, 4_000]) {
    const stream = aStream({ held: cap, most: cap });
    expect(await stream.send(Math.floor(cap * 0.9))).toBe(0);
    expect(stream.looks()).toBe(0);
  }
});

test("an upstream that writes far beyond its cap is ended where there is no money for it", async () => {
  const { send } = aStream({ held: 100, most: 100, outputCapTokens: 100, freeTokens: 100 });
  await expect(send(1_000)).rejects.toThrow(StreamEndedError);
});

test("a model that reasons is held for by the time that it is silent, and ended where there is no money for more", async () => {
  const stream = aStream({ doesReason: true, held: 2_000, freeTokens: 3_000 });
  stream.pass(5_000);
  await stream.slices.tick();
  expect(stream.asked).toEqual([]);
  stream.pass(10_000);
  await stream.slices.tick();
  expect(stream.asked).toHaveLength(1);
  stream.pass(14_000);
  await stream.slices.tick();
  stream.pass(5_000);
  await expect(stream.slices.tick()).rejects.toThrow(StreamEndedError);
});

test("a ledger that does not answer keeps nobody waiting who has something held", async () => {
  let calls = 0;
  const slices = createHoldSlices({
    ports: {
      extendHold: () => (calls++, Promise.reject(new Error("down"))),
      now: () => calls * 40_000,
      log: () => undefined,
    },
    hold: { outputCapTokens: null, doesReason: false, heldOutputTokens: 1_000, outputTokens: 100_000 } as Hold,
    countTokens: () => Promise.resolve(1_200),
    startedAtMs: 0,
  });
  await expect(slices.note(anEvent("word".repeat(1_500)))).rejects.toEqual(
    new StreamEndedError({ refused: "service_unavailable" }),
  );
});
