/**
 * Requests that try to hide their input, and answers that hide what came out, against what an upstream that counts for itself
 * would bill: the charge is never below. `FREE_RIDES=10000` runs the long form.
 */
import { gzipSync } from "node:zlib";
import type { ServerResponse } from "node:http";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Settlement } from "./ports.ts";
import { startScripted, type Scripted } from "./testing/scripted.ts";

const rides = Number(process.env.FREE_RIDES ?? 200);
let up: Scripted;
beforeAll(async () => {
  up = await startScripted((res) => answer(res), {
    placeHold: ({ id, bound }) =>
      Promise.resolve({
        held: true,
        allowance: null,
        upstreamId: null,
        id,
        outputCapTokens: null,
        isCapLowered: false,
        doesReason: false,
        inputTokens: bound.inputTokens,
        outputTokens: 100_000,
        heldOutputTokens: 4_096,
        grant: null,
      }),
  });
});
afterAll(() => up.stop());

let state = 20_261_128;
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const pick = <Item>(list: readonly Item[]): Item => list[random(list.length)]!;

const words = ["the ", "invoice ", "合同", "数据库", "return x;\n", "0x3f9a ", "naïve ", "🙂 ", '{"a":1} ', "    "];
const someText = (most: number): string => Array.from({ length: 1 + random(most) }, () => pick(words)).join("");

/** Each character as an escape, which is legal, and six bytes. */
function escaped(text: string): string {
  let json = "";
  for (let at = 0; at < text.length; at++) json += `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`;
  return json;
}

type Ride = { endpoint: "chat/completions" | "responses"; isStream: boolean; body: string; inputTokens: number };

/** What an upstream bills at least: the texts of its messages and what its tools say. */
function aRide(): Ride {
  const endpoint = pick(["chat/completions", "responses"] as const);
  const isStream = random(3) > 0;
  const isChat = endpoint === "chat/completions";
  let inputTokens = 0;
  const part = isChat ? "text" : "input_text";
  const messages = Array.from({ length: 1 + random(5) }, () => {
    const text = someText(60);
    inputTokens += countTokens(text);
    const json = random(3) === 0 ? `"${escaped(text)}"` : JSON.stringify(text);
    const content = pick([json, `[{"type":"${part}","text":${json}}]`, `[{"text":${json},"type":"${part}"}]`]);
    return pick([`{"role":"user","content":${content}}`, `{"content":${content},"role":"user"}`]);
  });
  const description = someText(80);
  const hasTool = random(2) === 0;
  if (hasTool) inputTokens += countTokens(description);
  const described = `"name":"f","description":${JSON.stringify(description)},"parameters":{"type":"object","properties":{"url":{"type":"string"},"usage":{"type":"string"}}}`;
  const tools = isChat ? `[{"type":"function","function":{${described}}}]` : `[{"type":"function",${described}}]`;
  const members = [
    `"model":"m"`,
    `"stream":${isStream}`,
    `"${isChat ? "messages" : "input"}":[${messages.join(",")}]`,
    ...(hasTool ? [`"tools":${tools}`] : []),
    ...(random(3) === 0 ? [`"metadata":{"image_url":"x","usage":"0","n":"0"}`] : []),
    ...(random(4) === 0 ? [`"user":${JSON.stringify(someText(5))}`] : []),
  ];
  for (let at = members.length - 1; at > 0; at--) {
    const other = random(at + 1);
    [members[at], members[other]] = [members[other]!, members[at]!];
  }
  return { endpoint, isStream, body: `{${members.join(random(2) ? "," : " ,\n ")}}`, inputTokens };
}

const manners = {
  /** As it should be. */
  plain: {},
  "no usage": { hasUsage: false },
  "usage of zeros": { isZero: true },
  "usage first, of a part": { isUsageFirst: true, hasUsage: false },
  "huge events": { wordsPerEvent: 300 },
  "huge events without usage": { wordsPerEvent: 300, hasUsage: false },
  "told as text": { contentType: "text/plain" },
  "told as nothing": { contentType: "" },
  "told as text, without usage": { contentType: "text/plain", hasUsage: false },
  packed: { isPacked: true },
  "packed, without usage": { isPacked: true, hasUsage: false },
  "broken lines": { lineEnd: "\r\n" },
  "broken lines without usage": { lineEnd: "\r\n", hasUsage: false },
  comments: { hasComments: true, hasUsage: false },
  /** By its client. */
  left: { isLeft: true },
  "left, in huge events": { isLeft: true, wordsPerEvent: 100 },
} satisfies Record<string, Manner>;

type Manner = {
  hasUsage?: boolean;
  isZero?: boolean;
  isUsageFirst?: boolean;
  wordsPerEvent?: number;
  contentType?: string;
  isPacked?: boolean;
  lineEnd?: string;
  hasComments?: boolean;
  isLeft?: boolean;
};

/** The answer at hand, and what of its text the upstream has written. */
let ride: Ride;
let manner: Manner;
let written: string;

function answer(res: ServerResponse): void {
  const output = Array.from({ length: 20 + random(manner.isLeft ? 1_500 : 600) }, () => pick(words));
  if (ride.isStream) stream(res, output);
  else whole(res, output);
}

const usageOf = (output: number): object => {
  const [input, out] = manner.isZero ? [0, 0] : [ride.inputTokens, output];
  return ride.endpoint === "responses"
    ? { input_tokens: input, output_tokens: out }
    : { prompt_tokens: input, completion_tokens: out, total_tokens: input + out };
};

function whole(res: ServerResponse, output: string[]): void {
  written = output.join("");
  const usage = manner.hasUsage === false ? {} : { usage: usageOf(countTokens(written)) };
  const content = { type: "output_text", text: written };
  const body =
    ride.endpoint === "responses"
      ? {
          id: "resp_1",
          object: "response",
          status: "completed",
          output: [{ type: "message", content: [content] }],
          ...usage,
        }
      : { id: "c1", choices: [{ index: 0, message: { role: "assistant", content: written } }], ...usage };
  const json = Buffer.from(JSON.stringify(body));
  const contentType = manner.contentType ?? "application/json";
  res.writeHead(200, {
    ...(contentType ? { "content-type": contentType } : {}),
    ...(manner.isPacked ? { "content-encoding": "gzip" } : {}),
  });
  res.end(manner.isPacked ? gzipSync(json) : json);
}

function eventsOf(output: string[]): { event: string; text: string }[] {
  const { wordsPerEvent = 1, lineEnd = "\n" } = manner;
  const isResponses = ride.endpoint === "responses";
  const write = (name: string, data: object, text = "") => ({
    event: (isResponses ? `event: ${name}${lineEnd}` : "") + `data: ${JSON.stringify(data)}${lineEnd}${lineEnd}`,
    text,
  });
  const events: { event: string; text: string }[] = [];
  if (manner.isUsageFirst && !isResponses) events.push(write("", { id: "c1", choices: [], usage: usageOf(1) }));
  for (let at = 0; at < output.length; at += wordsPerEvent) {
    const text = output.slice(at, at + wordsPerEvent).join("");
    if (manner.hasComments) events.push({ event: `: ${"x".repeat(50)}${lineEnd}${lineEnd}`, text: "" });
    const type = "response.output_text.delta";
    events.push(
      isResponses
        ? write(type, { type, delta: text }, text)
        : write("", { id: "c1", choices: [{ index: 0, delta: { content: text } }] }, text),
    );
  }
  const usage = manner.hasUsage === false ? {} : { usage: usageOf(countTokens(output.join(""))) };
  if (isResponses) {
    const response = { id: "resp_1", status: "completed", ...usage };
    events.push(write("response.completed", { type: "response.completed", response }));
  } else {
    if (manner.hasUsage !== false) events.push(write("", { id: "c1", choices: [], ...usage }));
    events.push({ event: `data: [DONE]${lineEnd}${lineEnd}`, text: "" });
  }
  return events;
}

function stream(res: ServerResponse, output: string[]): void {
  written = "";
  const contentType = manner.contentType ?? "text/event-stream";
  const events = eventsOf(output);
  res.writeHead(200, {
    ...(contentType ? { "content-type": contentType } : {}),
    ...(manner.isPacked ? { "content-encoding": "gzip" } : {}),
  });
  if (manner.isPacked) {
    written = output.join("");
    res.end(gzipSync(events.map(({ event }) => event).join("")));
    return;
  }
  // One that is left is slow enough to be stopped: what lies between is what no gateway has seen.
  const pauseMs = manner.isLeft ? 2 : 0;
  const next = (at: number): void => {
    const item = events[at];
    if (res.destroyed) return;
    if (!item) return void res.end();
    written += item.text;
    res.write(item.event, () => (pauseMs > 0 ? setTimeout(() => next(at + 1), pauseMs) : next(at + 1)));
  };
  next(0);
}

/** Its id, and whether it was taken at all. */
async function send(): Promise<{ id: string; status: number }> {
  const controller = new AbortController();
  const response = await fetch(`${up.url}/${ride.endpoint}`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", "content-type": "application/json" },
    body: ride.body,
    signal: controller.signal,
  });
  const taken = { id: response.headers.get("x-request-id")!, status: response.status };
  const leaveAfter = manner.isLeft && ride.isStream ? 1 + random(30) : Infinity;
  let chunks = 0;
  try {
    for await (const _chunk of response.body!) if (++chunks >= leaveAfter) controller.abort();
  } catch (error) {
    if (!manner.isLeft) throw error;
  }
  return taken;
}

const settlementOf = async (id: string): Promise<Settlement> => {
  const find = () => up.settlements.find(({ hold }) => hold.id === id);
  await expect.poll(find, { timeout: 20_000 }).toBeDefined();
  return find()!;
};

const prices = { input: 1, output: 4 };

test(
  "no request is charged below what its upstream bills, however it or its answer hides it",
  { timeout: 3_600_000 },
  async () => {
    const below: string[] = [];
    const sums = new Map<string, { charged: number; billed: number }>();
    const names = Object.keys(manners) as (keyof typeof manners)[];
    for (let n = 0; n < rides; n++) {
      const name = names[n % names.length]!;
      manner = manners[name];
      ride = aRide();
      const { id, status } = await send();
      if (status !== 200) {
        below.push(`${name}: ${status} for ${ride.body.slice(0, 300)}`);
        continue;
      }
      const settled = await settlementOf(id);
      const usage = settled.outcome === "captured" ? settled.usage : {};
      const charged = (usage.input ?? 0) * prices.input + (usage.output ?? 0) * prices.output;
      const billed = ride.inputTokens * prices.input + countTokens(written) * prices.output;
      const sum = sums.get(name) ?? { charged: 0, billed: 0 };
      sums.set(name, { charged: sum.charged + charged, billed: sum.billed + billed });
      const label = `${name} ${ride.endpoint} ${ride.isStream ? "stream" : "whole"}`;
      // What an upstream had written when its client left, and nobody had read, is known to it alone.
      const slack = manner.isLeft ? 0.25 * billed + 800 : 12;
      if (charged + slack < 0.98 * billed)
        below.push(`${label}: charged ${charged} of ${billed}: ${JSON.stringify(settled).slice(0, 400)}`);
    }
    expect([...sums.keys()].sort()).toEqual([...names].sort());
    console.log([...sums].map(([name, { charged, billed }]) => `${name} ${(charged / billed).toFixed(3)}`).join(", "));
    expect(below).toEqual([]);
    const short = [...sums].filter(
      ([name, { charged, billed }]) => !name.startsWith("left") && charged < 0.98 * billed,
    );
    expect(short).toEqual([]);
  },
);
