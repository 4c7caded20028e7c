import { afterEach, expect, test } from "vitest";
import type { GatewayAnswer } from "../call.ts";
import { longestBlockMs } from "../testing/longest-block.ts";
import { startScripted, type Scripted } from "../testing/scripted.ts";
import { startUpstreamThread, type UpstreamThread, type Written } from "../testing/upstream-thread.ts";

let running: Scripted | null = null;
let thread: UpstreamThread | null = null;
afterEach(async () => {
  await running?.stop();
  await thread?.stop();
  running = thread = null;
});

const mebibyte = 1024 * 1024;
const budgets = {
  requestBytes: { perUser: 256 * mebibyte, inAll: 512 * mebibyte },
  answerBytes: { perUser: 256 * mebibyte, perUpstream: 256 * mebibyte, inAll: 256 * mebibyte },
};
const allowedBlockMs = 100;

async function start(contentType: string, parts: Written["parts"]): Promise<Scripted> {
  thread = await startUpstreamThread({ contentType, parts });
  const upstream = { id: "u", baseUrl: thread.baseUrl, apiKey: "sk-x", organization: null, project: null, weight: 1 };
  running = await startScripted(
    () => undefined,
    { listUpstreams: () => [upstream] },
    { requestPolicy: () => ({ maxBodyBytes: 32 * mebibyte, allowedOrigins: new Set() }), budgets },
  );
  return running;
}

/** Through the gateway alone: what the test itself would do to send and to read is no block of the gateway's. */
async function handle({ gateway }: Scripted, path: string, body: Uint8Array): Promise<number> {
  const answer: GatewayAnswer = await gateway.handle({
    method: "POST",
    path,
    headers: { authorization: "Bearer sk-good", "content-type": "application/json" },
    readBody: () => Promise.resolve(body),
    signal: new AbortController().signal,
    remoteAddress: "127.0.0.1",
  });
  if (!(answer.body instanceof Uint8Array)) {
    for await (const _ of answer.body) await new Promise(setImmediate);
  }
  return answer.status;
}

const repeated = (before: string, part: string, bytes: number, after: string) =>
  Buffer.concat([Buffer.from(before), Buffer.alloc(bytes - (bytes % part.length), part), Buffer.from(after)]);
const large = 24 * mebibyte;

const bodies: [what: string, path: string, body: Buffer, status: number][] = [
  ["millions of empty tools", "/v1/responses", repeated('{"model":"m","tools":[{}', ",{}", large, "]}"), 400],
  ["800,000 empty tools", "/v1/responses", repeated('{"model":"m","tools":[{}', ",{}", 2_400_000, "]}"), 400],
  ["millions of numbers", "/v1/completions", repeated('{"model":"m","prompt":[1', ",1234", large, "]}"), 400],
  ["900,000 numbers", "/v1/completions", repeated('{"model":"m","prompt":[1', ",1234", 4_500_000, "]}"), 200],
  ["900,000 members", "/v1/responses", repeated('{"model":"m"', ',"k1234567":1', 900_000 * 13, "}"), 200],
  ["900,000 members within", "/v1/responses", repeated('{"model":"m","x":{"a":1', ',"url":"a"', 9_000_000, "}}"), 200],
  ["a long string of escapes", "/v1/responses", repeated('{"model":"m","input":"', "\\u0041", large, '"}'), 200],
  ["a long string", "/v1/responses", repeated('{"model":"m","input":"', "word ", large, '"}'), 200],
  ["a long string of quotes", "/v1/responses", repeated('{"model":"m","input":"', '\\"', large, '"}'), 200],
  ["a long number", "/v1/responses", repeated('{"model":"m","input":1', "1", large, "}"), 200],
  ["much space", "/v1/responses", repeated('{"model":"m",', " ", large, '"input":1}'), 200],
  ["a long key", "/v1/responses", repeated('{"model":"m","', "\\u006b", large, '":1}'), 200],
  [
    "images without end",
    "/v1/responses",
    repeated('{"model":"m","input":["a"', ',"input_image"', 12_000_000, "]}"),
    200,
  ],
  ["deep brackets", "/v1/responses", repeated('{"model":"m","input":', "[", large, ""), 400],
  ["many shallow brackets", "/v1/responses", repeated('{"model":"m","input":[0', ",[[[[]]]]", 1_600_000, "]}"), 200],
  ["a model without end", "/v1/responses", repeated('{"model":"', "m", large, '"}'), 400],
  ["options without end", "/v1/responses", repeated('{"model":"m","stream_options":{"a":"', "m", large, '"}}'), 400],
  ["what is no UTF-8", "/v1/responses", repeated('{"model":"m","input":"', "\xff", large, '"}'), 200],
];

test.each(bodies)("%s block nothing for 100 ms, whether read or refused", { timeout: 60_000 }, async (...given) => {
  const [, path, body, status] = given;
  // Without usage: the estimates are part of it.
  const up = await start("application/json", [['{"id":"r","output":[]}', 1]]);
  expect(await handle(up, path, body)).toBe(status);
  expect(await longestBlockMs(() => handle(up, path, body))).toBeLessThan(allowedBlockMs);
});

const wholeAnswers: [what: string, parts: Written["parts"]][] = [
  [
    "60 MiB of text",
    [
      ['{"output":"', 1],
      ["word ", 12 * mebibyte],
      ['","usage":{"input_tokens":1}}', 1],
    ],
  ],
  [
    "30 MiB of numbers",
    [
      ['{"data":[1', 1],
      [",-0.0123456", 3 * mebibyte],
      ["]}", 1],
    ],
  ],
  [
    "12 MiB of brackets",
    [
      ['{"output":[{}', 1],
      [",{}", 4 * mebibyte],
      ["]}", 1],
    ],
  ],
  ["12 MiB that are no JSON", [['{"', 6 * mebibyte]]],
];

test.each(wholeAnswers)(
  "a whole answer of %s blocks nothing for 100 ms",
  { timeout: 120_000 },
  async (_what, parts) => {
    const up = await start("application/json", parts);
    const ask = () => handle(up, "/v1/responses", Buffer.from('{"model":"m","input":"x"}'));
    expect(await longestBlockMs(ask)).toBeLessThan(allowedBlockMs);
    expect(up.settlements.length).toBeGreaterThan(0);
  },
);

const events: [what: string, parts: Written["parts"]][] = [
  [
    "a long delta",
    [
      ['event: response.output_text.delta\ndata: {"delta":"', 1],
      ["word ", 2 * mebibyte],
      ['"}\n\n', 1],
    ],
  ],
  [
    "many lines",
    [
      ["data: {}\n", mebibyte],
      ["\n", 1],
    ],
  ],
  [
    "many comments",
    [
      [":\n", 6 * mebibyte],
      ["\n", 1],
    ],
  ],
  [
    "much below it",
    [
      ['data: {"type":"x","a":[{}', 1],
      [",{}", 4 * mebibyte],
      ["]}\n\n", 1],
    ],
  ],
];
const end = `event: response.completed\ndata: {"response":{"id":"r","usage":{"input_tokens":1,"output_tokens":2}}}\n\n`;

test.each(events)("an event with %s blocks nothing for 100 ms", { timeout: 60_000 }, async (_what, parts) => {
  const up = await start("text/event-stream", [...parts, [end, 1]]);
  const ask = () => handle(up, "/v1/responses", Buffer.from('{"model":"m","input":"xxxxxxx","stream":true}'));
  expect(await longestBlockMs(ask)).toBeLessThan(allowedBlockMs);
  expect(up.settlements.at(-1)).toMatchObject({ basis: "exact", usage: { input: 1, output: 2 } });
});
