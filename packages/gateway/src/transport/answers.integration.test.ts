/** Answers as upstreams really send them: none of them is free, and none is passed on as what it is not. */
import type { ServerResponse } from "node:http";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { chatEvents, sendEvents, sendJson, startScripted, type Scripted } from "../testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}

/** The text that a client reads; what came before a connection that breaks off. */
async function ask(up: Scripted, path: string, body: object) {
  const response = await fetch(up.url + path, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }], input: "hello", ...body }),
  });
  let text = "";
  let isBroken = false;
  try {
    for await (const chunk of response.body!) text += Buffer.from(chunk as Uint8Array).toString();
  } catch {
    isBroken = true;
  }
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(1);
  return { status: response.status, headers: response.headers, text, isBroken };
}
const askChat = (up: Scripted, body: object = { stream: true }) => ask(up, "/chat/completions", body);
const askResponses = (up: Scripted, body: object = { stream: true }) => ask(up, "/responses", body);

const send = (res: ServerResponse, body: string | Buffer, headers: Record<string, string | string[]>, status = 200) =>
  void res.writeHead(status, headers).end(body);

const chunk = (rest: object) => `data: ${JSON.stringify({ id: "chatcmpl-1", model: "m-1", ...rest })}\n\n`;
const word = (content: string) => chunk({ choices: [{ index: 0, delta: { content } }] });
const usageOf = (prompt_tokens: number, completion_tokens: number) =>
  chunk({ choices: [], usage: { prompt_tokens, completion_tokens } });
const done = "data: [DONE]\n\n";
const answer = {
  id: "chatcmpl-1",
  model: "m-1",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" } }],
  usage: { prompt_tokens: 9, completion_tokens: 2 },
};

describe("the last usage before the end counts", () => {
  test.each<[string, string[], object]>([
    ["zeros first", [usageOf(0, 0), word("a"), usageOf(9, 500), done], { input: 9, output: 500 }],
    ["part of it first", [usageOf(9, 100), word("a"), usageOf(9, 500), done], { input: 9, output: 500 }],
    ["zeros last", [word("a"), usageOf(9, 500), usageOf(0, 0), done], { input: 9, output: 500 }],
    ["without [DONE]", [usageOf(0, 0), word("a"), usageOf(9, 500)], { input: 9, output: 500 }],
    ["[DONE] with a blank", [word("a"), usageOf(9, 500), "data: [DONE] \n\n"], { input: 9, output: 500 }],
  ])("%s", async (_what, events, usage) => {
    const up = await start((res) => sendEvents(res, events));
    const { text, isBroken } = await askChat(up);
    expect(isBroken).toBe(false);
    expect(text).not.toContain('"usage"');
    expect(up.settlements).toMatchObject([{ basis: "exact", usage, flags: [] }]);
  });

  test("what came behind it is counted on top of what it knew", async () => {
    const events = [usageOf(9, 1), ...Array<string>(50).fill(word("word "))];
    const up = await start((res) => sendEvents(res, events, { thenDestroy: true }));
    expect((await askChat(up)).isBroken).toBe(true);
    expect(up.settlements).toMatchObject([{ basis: "observed", usage: { input: 9, output: 51 } }]);
  });

  test("usage in every chunk is exact wherever the stream breaks off", async () => {
    const counted = (n: number) =>
      chunk({ choices: [{ delta: { content: "word " } }], usage: { prompt_tokens: 9, completion_tokens: n } });
    const up = await start((res) => sendEvents(res, [1, 2, 700].map(counted), { thenDestroy: true }));
    await askChat(up);
    expect(up.settlements).toMatchObject([{ usage: { input: 9, output: 700 } }]);
  });

  test("zeros on both sides are no usage of an answer that says something", async () => {
    const up = await start((res) => sendEvents(res, [word("one "), word("two"), usageOf(0, 0), done]));
    await askChat(up);
    expect(up.settlements).toMatchObject([{ basis: "estimate", usage: { input: 7, output: 2 } }]);
  });

  test("one reasoning under three names is counted once", async () => {
    const reasoning = "some thought ";
    const delta = { content: "", reasoning, reasoning_content: reasoning, reasoning_details: [{ text: reasoning }] };
    const events = Array<string>(10).fill(chunk({ choices: [{ delta }] }));
    const up = await start((res) => sendEvents(res, events, { thenDestroy: true }));
    await askChat(up);
    expect(up.settlements).toMatchObject([{ basis: "observed", usage: { output: 21 } }]);
  });
});

describe("the event's own member says what an event is", () => {
  const usage = { input_tokens: 9, output_tokens: 500 };
  const delta = 'data: {"type":"response.output_text.delta","delta":"a"}\n\n';
  const response = { id: "resp_1", model: "m-1", type: "message", status: "completed", usage, output: [{}] };
  test.each<[string, string[]]>([
    ["response before type", [`data: ${JSON.stringify({ response, type: "response.completed" })}\n\n`]],
    ["blanks", [`data: { "type" : "response.completed" , "response" : ${JSON.stringify(response)} }\n\n`]],
    ["cancelled", [`data: ${JSON.stringify({ response, type: "response.cancelled" })}\n\n`]],
    ["done", [`data: ${JSON.stringify({ type: "response.done", response })}\n\n`]],
    [
      "an event line of another name",
      [`event: message\ndata: ${JSON.stringify({ type: "response.completed", response })}\n\n`],
    ],
    ["an event line alone", [`event: response.incomplete\ndata: ${JSON.stringify({ response })}\n\n`]],
  ])("%s ends a response", async (_what, end) => {
    const up = await start((res) => sendEvents(res, [delta, ...end]));
    expect((await askResponses(up)).isBroken).toBe(false);
    expect(up.settlements).toMatchObject([{ basis: "exact", usage: { input: 9, output: 500 } }]);
  });

  test("a large event of the same kinds", async () => {
    const big = { ...response, output: [{ type: "message", content: "x".repeat(100_000) }] };
    const up = await start((res) =>
      sendEvents(res, [`data: ${JSON.stringify({ response: big, type: "response.completed" })}\n\n`]),
    );
    expect((await askResponses(up)).isBroken).toBe(false);
    expect(up.settlements).toMatchObject([{ basis: "exact", usage: { input: 9, output: 500 } }]);
  });

  test("[DONE] ends responses whose server says nothing else", async () => {
    const up = await start((res) => sendEvents(res, [delta, delta, done]));
    expect((await askResponses(up)).isBroken).toBe(false);
    expect(up.settlements).toMatchObject([{ basis: "estimate", usage: { output: 1 }, flags: ["no_usage"] }]);
  });

  test("text that only stands in items or in the end is counted too", async () => {
    const output = [{ type: "message", content: [{ type: "output_text", text: "one two three" }] }];
    const end = { type: "response.completed", response: { id: "resp_1", output } };
    const up = await start((res) => sendEvents(res, [`data: ${JSON.stringify(end)}\n\n`]));
    await askResponses(up);
    expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "estimate", usage: { output: 3 } }]);
  });
});

describe("an event of more than 16 MiB", () => {
  const image = { type: "image_generation_call", result: "A".repeat(6 * 1024 * 1024) };
  const usage = { input_tokens: 9, output_tokens: 500 };
  const toolUsage = { image_gen: { input_tokens: 24, output_tokens: 7_000, total_tokens: 7_024 } };

  test.each([
    ["with its usage behind the images", { id: "resp_1", output: [image, image, image], usage }],
    ["with its usage before them", { id: "resp_1", usage, output: [image, image, image] }],
  ])("is passed on whole and charged as it states, %s", { timeout: 60_000 }, async (_what, response) => {
    const events = [`event: response.completed\ndata: ${JSON.stringify({ type: "response.completed", response })}\n\n`];
    const up = await start((res) => sendEvents(res, events));
    const { text, isBroken } = await askResponses(up, { stream: true, tools: [{ type: "image_generation" }] });
    expect([text.length, isBroken]).toEqual([events[0]!.length, false]);
    expect(up.settlements).toMatchObject([
      { basis: "exact", usage: { input: 9, output: 500, image_generation_call: 3 }, upstreamResponseId: "resp_1" },
    ]);
  });

  test("what the tools used is charged by what the provider states of it", { timeout: 60_000 }, async () => {
    const response = { id: "resp_1", output: [image, image, image], usage, tool_usage: toolUsage };
    const events = [`event: response.completed\ndata: ${JSON.stringify({ type: "response.completed", response })}\n\n`];
    const up = await start((res) => sendEvents(res, events));
    await askResponses(up);
    expect(up.settlements).toMatchObject([{ usage: { image_tool_image_in: 24, image_tool_image_out: 7_000 } }]);
    expect(up.settlements[0]).not.toHaveProperty("usage.image_generation_call");
  });

  test("is not free where the stream breaks off in it", { timeout: 60_000 }, async () => {
    const item = `event: response.output_item.done\ndata: ${JSON.stringify({ type: "response.output_item.done", item: image })}\n\n`;
    const half = `event: response.completed\ndata: {"type":"response.completed","response":{"output":[{"result":"${"A".repeat(20_000_000)}`;
    const up = await start((res) => sendEvents(res, [item, half], { thenDestroy: true }));
    await askResponses(up, { stream: true, tools: [{ type: "image_generation" }] });
    expect(up.settlements).toMatchObject([{ outcome: "captured", usage: { image_generation_call: 1 } }]);
  });
});

test("tools are counted by what the provider states where it does", async () => {
  const usage = { input_tokens: 9, output_tokens: 2 };
  const toolUsage = {
    web_search: { num_requests: 3 },
    image_gen: { input_tokens: 30, output_tokens: 90, output_tokens_details: { text_tokens: 40, image_tokens: 50 } },
  };
  const up = await start((res) => sendJson(res, { id: "resp_1", output: [], usage, tool_usage: toolUsage }));
  await askResponses(up, {});
  expect(up.settlements).toMatchObject([
    { usage: { web_search_call: 3, image_tool_image_in: 30, image_tool_image_out: 50, image_tool_text_out: 40 } },
  ]);
});

const packings: [encoding: string, pack: (bytes: string) => Buffer][] = [
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
];

describe("an answer that is packed although nobody asked for that", () => {
  test.each(packings)("%s is unpacked: %o", async (encoding, pack) => {
    const up = await start((res) =>
      send(res, pack(JSON.stringify(answer)), { "content-type": "application/json", "content-encoding": encoding }),
    );
    const { text, headers } = await askChat(up, {});
    expect([JSON.parse(text), headers.get("content-encoding")]).toEqual([answer, null]);
    expect(up.settlements).toMatchObject([{ basis: "exact", usage: { input: 9, output: 2 } }]);
  });

  test.each(packings)("%s of a stream too: %o", async (encoding, pack) => {
    const events = chatEvents(["a", "b"]).join("");
    const up = await start((res) =>
      send(res, pack(events), { "content-type": "text/event-stream", "content-encoding": encoding }),
    );
    expect((await askChat(up, { stream: true, stream_options: { include_usage: true } })).text).toBe(events);
    expect(up.settlements).toMatchObject([{ basis: "exact", usage: { input: 12, output: 2 } }]);
  });

  test.each<[string, Buffer, string | null]>([
    ["an unknown packing", Buffer.from("x"), "zstd"],
    ["two packings", gzipSync(gzipSync("{}")), "gzip, gzip"],
    ["what is cut off", gzipSync(JSON.stringify(answer)).subarray(0, 40), "gzip"],
    ["what is not packed", Buffer.from(JSON.stringify(answer)), "gzip"],
    ["what does not say that it is packed", gzipSync(JSON.stringify(answer)), null],
    ["what unpacks to more than an answer may have", gzipSync(Buffer.alloc(140 * 1024 * 1024, " ")), "gzip"],
  ])("%s is a 502 and costs nothing", { timeout: 30_000 }, async (_what, bytes, encoding) => {
    const headers = { "content-type": "application/json", ...(encoding ? { "content-encoding": encoding } : {}) };
    const up = await start((res) => send(res, bytes, headers));
    expect((await askChat(up, {})).status).toBe(502);
    expect(up.settlements).toMatchObject([{ outcome: "released" }]);
  });

  test("an error is unpacked as well", async () => {
    const error = gzipSync(JSON.stringify({ error: { message: "Bad thing.", code: "bad" } }));
    const up = await start((res) => send(res, error, { "content-encoding": "gzip" }, 400));
    expect(await askChat(up, {})).toMatchObject({ status: 400, text: expect.stringContaining("Bad thing.") as string });
  });
});

describe("the body tells whether an answer is a stream", () => {
  test.each<[string, Record<string, string | string[]>]>([
    ["text/plain", { "content-type": "text/plain" }],
    ["nothing", {}],
    ["another case", { "content-type": "Text/Event-Stream" }],
    ["JSON", { "content-type": "application/json" }],
    ["two types", { "content-type": ["text/event-stream", "application/json"] }],
  ])("told as %s", async (_what, headers) => {
    const events = chatEvents(["a", "b"]);
    const up = await start((res) => send(res, events.join(""), headers));
    const seen = await askChat(up, { stream: true, stream_options: { include_usage: true } });
    expect(seen.text).toBe(events.join(""));
    expect(seen.headers.get("content-type")?.toLowerCase()).toMatch(/^text\/event-stream/);
    expect(seen.headers.get("x-accel-buffering")).toBe("no");
    expect(up.settlements).toMatchObject([{ isStream: true, basis: "exact", usage: { input: 12, output: 2 } }]);
  });

  test("a first event that comes byte by byte", async () => {
    const [first = "", ...rest] = chatEvents(["a"]);
    const up = await start((res) => {
      res.writeHead(200, { "content-type": "text/plain" });
      const bytes = ["\uFEFF", "\n", "e", "v", "ent", ": x\n", first, ...rest];
      const next = () => {
        const byte = bytes.shift();
        if (byte === undefined) res.end();
        else res.write(byte, () => setTimeout(next, 2));
      };
      next();
    });
    expect((await askChat(up)).isBroken).toBe(false);
    expect(up.settlements).toMatchObject([{ basis: "exact" }]);
  });

  test.each([
    ["as a stream", "text/event-stream"],
    ["as text", "text/plain"],
    ["as nothing", ""],
  ])("a whole answer told %s is a whole answer", async (_what, type) => {
    for (const stream of [true, false]) {
      const up = await start((res) => send(res, JSON.stringify(answer), type ? { "content-type": type } : {}));
      const { text, headers } = await askChat(up, { stream });
      expect([JSON.parse(text), headers.get("content-type")]).toEqual([answer, "application/json"]);
      expect(up.settlements).toMatchObject([{ isStream: false, basis: "exact", usage: { input: 9, output: 2 } }]);
      await running?.stop();
    }
    running = null;
  });
});

describe("a 200 that is no answer", () => {
  const failed = { id: "resp_1", object: "response", status: "failed", output: [], usage: null };
  test.each<[string, string, number, string, number]>([
    ["a page", "<html>Sign in</html>", 200, "text/html", 502],
    ["nothing", "", 200, "application/json", 502],
    ["a 204", "", 204, "", 502],
    ["words", "upstream connect error", 200, "text/plain", 502],
    ["a list", "[]", 200, "application/json", 502],
    ["JSON of something else", '{"status":"ok"}', 200, "application/json", 502],
    ["an error object", '{"error":{"message":"x","code":"rate_limit_exceeded"}}', 200, "application/json", 429],
    ["an error with a number", '{"error":{"message":"No such thing.","code":404}}', 200, "application/json", 404],
    ["an error in words", '{"error":"it broke"}', 200, "application/json", 502],
    ["vLLM's error", '{"object":"error","message":"x","code":400}', 200, "application/json", 400],
    [
      "a failed response",
      JSON.stringify({ ...failed, error: { code: "server_error", message: "x" } }),
      200,
      "application/json",
      502,
    ],
    [
      "an overloaded one",
      JSON.stringify({ ...failed, error: { code: "server_is_overloaded", message: "x" } }),
      200,
      "application/json",
      503,
    ],
  ])("%s is an error and costs nothing", async (_what, body, status, type, seen) => {
    for (const stream of [false, true]) {
      const up = await start((res) => send(res, body, type ? { "content-type": type } : {}, status));
      expect((await askChat(up, { stream })).status).toBe(seen);
      expect(up.settlements).toMatchObject([{ outcome: "released" }]);
      await running?.stop();
    }
    running = null;
  });

  test("a failed response that had used something is charged for it", async () => {
    const usage = { input_tokens: 9, output_tokens: 70 };
    const up = await start((res) => sendJson(res, { ...failed, usage, error: { code: "server_error", message: "x" } }));
    await askResponses(up, {});
    expect(up.settlements).toMatchObject([{ outcome: "captured", usage: { input: 9, output: 70 } }]);
  });

  test.each([
    ["with its id first", 'data: {"id":"gen-1","error":{"message":"boom","code":502}}\n\n'],
    ["as vLLM writes it", 'data: {"object":"error","message":"boom","code":500}\n\n'],
    ["as a reason to finish", chunk({ choices: [{ delta: { content: "" }, finish_reason: "error" }] })],
  ])("an error in a stream, %s, is passed on and breaks it off", async (_what, event) => {
    const up = await start((res) => sendEvents(res, [word("one "), event, done]));
    const { text, isBroken } = await askChat(up);
    expect(isBroken).toBe(true);
    expect(text).toContain(event);
    expect(text).toContain('"error"');
    expect(text).not.toContain("[DONE]");
    expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed", flags: ["broke_off"] }]);
  });

  test("text that only speaks of errors is none", async () => {
    const up = await start((res) => sendEvents(res, [word('{"error": "x"}'), usageOf(9, 5), done]));
    expect((await askChat(up)).isBroken).toBe(false);
    expect(up.settlements).toMatchObject([{ basis: "exact", usage: { output: 5 } }]);
  });
});
