import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import { chatEvents, sendEvents, sendJson, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}

const sdk = ({ url }: Scripted, apiKey = "sk-good") => new OpenAI({ apiKey, baseURL: url, maxRetries: 0 });
const post = ({ url }: Scripted, body: string, init: RequestInit = {}) =>
  fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", "content-type": "application/json" },
    body,
    ...init,
  });
const hello = [{ role: "user" as const, content: "hello" }];
const answer = {
  id: "chatcmpl-1",
  model: "m-1",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" } }],
  usage: { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } },
  service_tier: "priority",
};

test("a whole answer passes as its bytes and is captured by its own usage and tier", async () => {
  const up = await start((res) => sendJson(res, answer));
  const response = await post(up, '{"model":"m","messages":[],"seed":12345678901234567890}');
  expect(await response.text()).toBe(JSON.stringify(answer));
  expect(response.headers.get("x-request-id")).toBe(up.holds[0]!.id);
  expect(up.settlements).toMatchObject([
    {
      outcome: "captured",
      basis: "exact",
      usage: { input: 5, cached_input: 4, output: 2 },
      serviceTier: "priority",
      upstreamResponseId: "chatcmpl-1",
    },
  ]);
});

test("a chat completion that searches the web pays for its search", async () => {
  const up = await start((res) => sendJson(res, answer));
  await post(up, '{"model":"m","messages":[],"web_search_options":{}}');
  expect(up.settlements).toMatchObject([{ usage: { output: 2, web_search_call: 1 } }]);
  expect(up.bodies[0]).not.toContain("max_tool_calls");
});

test("a client that leaves before its search has said anything does not pay for it", async () => {
  const up = await start((res) => res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders());
  const controller = new AbortController();
  await post(up, '{"model":"m","stream":true,"messages":[],"web_search_options":{}}', { signal: controller.signal });
  controller.abort();
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(1);
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed" }]);
  expect(up.settlements[0]).not.toHaveProperty("usage.web_search_call");
});

test("the upstream gets the client's bytes with the user's hash put in, and the operator's key", async () => {
  const up = await start((res) => sendJson(res, answer));
  await post(up, '{"model":"m",  "seed":12345678901234567890}');
  expect(up.bodies).toEqual(['{"safety_identifier":"user-hash","model":"m",  "seed":12345678901234567890}']);
  expect(up.upstreamHeaders[0]!.authorization).toBe("Bearer sk-operator");
});

test("an identifier of the client's own goes up, and one that says nothing is filled in", async () => {
  const up = await start((res) => sendJson(res, answer));
  await post(up, '{"model":"m","safety_identifier":"theirs"}');
  await post(up, '{"model":"m","safety_identifier": null}');
  expect(up.bodies).toEqual([
    '{"model":"m","safety_identifier":"theirs"}',
    '{"model":"m","safety_identifier": "user-hash"}',
  ]);
});

test("a client that leaves while it sends its request is no error of ours", async () => {
  const up = await start((res) => sendJson(res, answer));
  const { hostname, port } = new URL(up.url);
  const client = connect(Number(port), hostname);
  client.write(
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-good\r\ncontent-length: 99\r\n\r\n{",
  );
  await expect.poll(() => up.gateway.inFlight()).toBe(1);
  client.destroy();
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
  expect([up.logged, up.holds]).toEqual([[], []]);
});

test("a stream is settled before its end, and its usage chunk is hidden from a client that did not ask", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["a", "b"])));
  const text = await (await post(up, '{"model":"m","stream":true}')).text();
  expect(text).toBe(chatEvents(["a", "b"], null).join(""));
  expect(up.bodies[0]).toContain('"stream_options":{"include_usage":true}');
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "exact", usage: { input: 12, output: 2 } }]);
});

const searched = {
  id: "resp_1",
  model: "m-1",
  usage: { input_tokens: 9, output_tokens: 2 },
  output: [
    { type: "web_search_call", action: { type: "search", query: "x" } },
    { type: "web_search_call", action: { type: "open_page", url: "https://x.example" } },
    { type: "web_search_call" },
    { type: "file_search_call" },
    { type: "code_interpreter_call", container_id: "cntr_1" },
    { type: "code_interpreter_call", container_id: "cntr_1" },
    { type: "message" },
  ],
};
const hostedTools = [
  { type: "web_search" },
  { type: "file_search", vector_store_ids: [] },
  { type: "code_interpreter", container: { type: "auto", memory_limit: "4g" } },
];
const postResponse = ({ url }: Scripted, body: object) =>
  fetch(`${url}/responses`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good" },
    body: JSON.stringify({ model: "m", tools: hostedTools, ...body }),
  });
const usageOfSearched = { input: 9, output: 2, web_search_call: 2, file_search_call: 1, container_gb: 4 };

test("calls of the provider's tools are counted from the answer's items and capped as they are held for", async () => {
  const up = await start((res) => sendJson(res, searched));
  await postResponse(up, {});
  expect(up.bodies[0]).toContain('"max_tool_calls":16');
  expect(up.holds[0]!.bound.hosted).toEqual({ web_search_call: 16, file_search_call: 16, container_gb: 4 });
  expect(up.settlements).toMatchObject([{ basis: "exact", usage: usageOfSearched }]);
});

test("in a stream they are counted once, and where it breaks off as far as it came", async () => {
  const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const items = searched.output.map((item) => event("response.output_item.done", { item }));
  const delta = event("response.output_text.delta", { delta: "a" });
  const whole = [delta, ...items, event("response.completed", { response: searched })];
  const up = await start((res, req) => {
    if (req.headers["x-codex-cut"]) sendEvents(res, whole.slice(0, 4), { thenDestroy: true });
    else sendEvents(res, whole);
  });
  await (await postResponse(up, { stream: true })).text();
  await fetch(`${up.url}/responses`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", "x-codex-cut": "1" },
    body: JSON.stringify({ model: "m", tools: hostedTools, stream: true }),
  })
    .then((response) => response.text())
    .catch(() => "");
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(2);
  expect(up.settlements).toMatchObject([
    { basis: "exact", usage: usageOfSearched },
    { basis: "observed", usage: { web_search_call: 2 } },
  ]);
});

test("a client that asked for the usage chunk gets every byte", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["a"])));
  const text = await (await post(up, '{"model":"m","stream":true,"stream_options":{"include_usage":true}}')).text();
  expect(text).toBe(chatEvents(["a"]).join(""));
});

test("a stream that breaks off reaches the SDK as an exception and is charged for what came", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["one ", "two"]).slice(0, 2), { thenDestroy: true }));
  const stream = await sdk(up).chat.completions.create({ model: "m", messages: hello, stream: true });
  await expect(async () => {
    for await (const _ of stream);
  }).rejects.toThrow();
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed", usage: { output: 2 } }]);
});

test("a stream that ends whole without usage is estimated", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["one ", "two ", "three"], null)));
  await (await post(up, '{"model":"m","stream":true,"messages":[{"role":"user","content":"hello there"}]}')).text();
  expect(up.settlements).toMatchObject([{ basis: "estimate", usage: { input: 6, output: 3 }, flags: ["no_usage"] }]);
});

/** A client that reads the beginning of a stream and leaves; resolves with the time it left once that is settled. */
async function leaveAStream(up: Scripted): Promise<number> {
  const leave = new AbortController();
  const response = await post(up, '{"model":"m","stream":true}', { signal: leave.signal });
  await response.body!.getReader().read();
  const leftAtMs = Date.now();
  leave.abort();
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(1);
  return leftAtMs;
}

test("a client that leaves a stream stops the upstream within 250 ms and is charged once", async () => {
  let stoppedAtMs = 0;
  const up = await start((res) => {
    res.once("close", () => (stoppedAtMs = Date.now()));
    sendEvents(res, chatEvents(Array<string>(500).fill("x ")), { everyMs: 20 });
  });
  const leftAtMs = await leaveAStream(up);
  expect(stoppedAtMs - leftAtMs).toBeLessThan(250);
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed" }]);
  await sleep(50);
  expect(up.settlements).toHaveLength(1);
  expect(up.gateway.inFlight()).toBe(0);
});

test("where the setting says so, a stream whose client has left is read to its end and charged exactly", async () => {
  const words = Array<string>(20).fill("x ");
  const up = await start((res) => sendEvents(res, chatEvents(words), { everyMs: 10 }), {
    drainsOnDisconnect: () => true,
  });
  await leaveAStream(up);
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "exact", usage: { input: 12, output: 20 } }]);
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
});

test("what came in one piece with the event at which the client left is metered too", async () => {
  const up = await start((res) => sendEvents(res, [chatEvents(Array<string>(3_000).fill("word ")).join("")]), {
    drainsOnDisconnect: () => true,
  });
  await leaveAStream(up);
  expect(up.settlements).toMatchObject([{ basis: "exact", usage: { input: 12, output: 3_000 } }]);
});

test("a stream that breaks off while it is read to its end for nobody is charged for what came", async () => {
  const words = Array<string>(20).fill("x ");
  const up = await start((res) => sendEvents(res, chatEvents(words).slice(0, 20), { everyMs: 10, thenDestroy: true }), {
    drainsOnDisconnect: () => true,
  });
  await leaveAStream(up);
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed", flags: ["broke_off"] }]);
});

test("a client that leaves before the first byte of a stream pays for the prompt", async () => {
  const up = await start(() => undefined);
  const body = JSON.stringify({ model: "m", stream: true, messages: hello });
  await expect(post(up, body, { signal: AbortSignal.timeout(100) })).rejects.toThrow();
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(1);
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed", usage: { input: 5, output: 0 } }]);
});

test("a whole answer whose client has left is fetched to its end and charged exactly", async () => {
  const up = await start((res) => void setTimeout(() => sendJson(res, answer), 200));
  await expect(post(up, '{"model":"m"}', { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(1);
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "exact" }]);
});

test("a call that goes on from a response goes to the upstream that gave it", async () => {
  const asked: (string | undefined)[] = [];
  const elsewhere = await startScripted((res, req) => {
    asked.push(req.headers.authorization);
    sendJson(res, answer);
  });
  const upstreams = ["a", "b", "c"].map((id) => ({ ...elsewhere.upstream, id, apiKey: `sk-${id}` }));
  const up = await start(() => undefined, {
    listUpstreams: () => upstreams,
    placeHold: ({ id, model }) => {
      const bound = {
        inputTokens: 100,
        outputTokens: 100,
        outputCapTokens: null,
        allowance: null,
        isCapLowered: false,
        doesReason: false,
        heldOutputTokens: 100,
      };
      return Promise.resolve({ held: true, id, ...bound, upstreamId: model, grant: null });
    },
  });
  for (const model of ["a", "b", "c", "b"]) await post(up, JSON.stringify({ model }));
  await elsewhere.stop();
  expect(asked).toEqual(["Bearer sk-a", "Bearer sk-b", "Bearer sk-c", "Bearer sk-b"]);
});

const refusedBodies: [why: string, body: string, status: number][] = [
  ["no JSON", "{", 400],
  ["no object", "[]", 400],
  ["no model", "{}", 400],
  ["the model twice", '{"model":"a","model":"b"}', 400],
  ["an escaped billing key", '{"mod\\u0065l":"a"}', 400],
  ["a cap that is no number", '{"model":"a","max_tokens":"many"}', 400],
  ["a cap below zero", '{"model":"a","max_tokens":-1}', 400],
  ["too many choices", '{"model":"a","n":1000}', 400],
  ["a background response", '{"model":"a","background":true}', 400],
  ["too large", `{"model":"a","x":"${"x".repeat(2_000)}"}`, 413],
];

test.each(refusedBodies)("%s is refused before a hold", async (_why, body, status) => {
  const up = await start(
    (res) => sendJson(res, answer),
    {},
    { requestPolicy: () => ({ maxBodyBytes: 1_000, allowedOrigins: new Set() }) },
  );
  const response = await post(up, body);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  expect(response.headers.get("x-should-retry")).toBe("false");
  expect([up.holds, up.bodies]).toEqual([[], []]);
});

const upstreamErrors: [status: number, error: object, seen: number, code: string | null][] = [
  [400, { message: "bad org-abcdef123", type: "invalid_request_error", code: null, param: "x" }, 400, null],
  [404, { message: "no model", type: "invalid_request_error", code: "model_not_found" }, 404, "model_not_found"],
  [401, { message: "bad key", type: "invalid_request_error", code: "invalid_api_key" }, 503, "upstream_unavailable"],
  [429, { message: "quota", type: "insufficient_quota", code: "insufficient_quota" }, 503, "upstream_unavailable"],
  [429, { message: "slow", type: "rate_limit_exceeded", code: "rate_limit_exceeded" }, 429, "rate_limit_exceeded"],
  [500, { message: "boom", type: "server_error", code: null }, 500, "server_error"],
];

test.each(upstreamErrors)(
  "an upstream's %i %o costs nothing and is seen as %i %s",
  async (status, error, seen, code) => {
    const up = await start((res) => sendJson(res, { error }, status));
    const response = await post(up, '{"model":"m"}');
    const text = await response.text();
    expect([response.status, (JSON.parse(text) as { error: { code: unknown } }).error.code]).toEqual([seen, code]);
    expect(text).not.toContain("abcdef123");
    expect(up.settlements).toMatchObject([{ outcome: "released" }]);
  },
);

test.each<[string, object, object]>([
  [
    "above what was held for is charged as stated",
    { prompt_tokens: 250_000, completion_tokens: 9 },
    { basis: "exact", usage: { input: 250_000, output: 9 }, flags: ["above_ceiling"] },
  ],
  [
    "that no request can have is counted instead",
    { prompt_tokens: 90_000_000_000, completion_tokens: 1 },
    { basis: "estimate", usage: { input: 5, output: 1 }, flags: ["unreadable_usage"] },
  ],
  [
    "of zero for an answer that says something is counted",
    { prompt_tokens: 6, completion_tokens: 0 },
    { basis: "estimate", usage: { input: 6, output: 1 }, flags: ["partial_usage"] },
  ],
  [
    "without a count of the output is completed",
    { prompt_tokens: 6 },
    { basis: "estimate", usage: { input: 6, output: 1 }, flags: ["partial_usage"] },
  ],
])("usage %s", async (_what, usage, settled) => {
  const up = await start((res) => sendJson(res, { ...answer, usage }));
  await post(up, '{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":5}');
  expect(up.settlements).toMatchObject([settled]);
});

test("a client that never reads costs no more than 16 MiB", async () => {
  const big = `data: ${JSON.stringify({ choices: [{ delta: { content: "x".repeat(60_000) } }] })}\n\n`;
  let sentBytes = 0;
  const up = await start((res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    const more = () => {
      while (!res.destroyed && sentBytes < 200_000_000) {
        sentBytes += big.length;
        if (!res.write(big)) {
          res.once("drain", more);
          return;
        }
      }
    };
    more();
  });
  const leave = new AbortController();
  await post(up, '{"model":"m","stream":true}', { signal: leave.signal });
  await sleep(500);
  expect(sentBytes).toBeLessThan(16 * 1024 * 1024);
  leave.abort();
  await expect.poll(() => up.settlements.length, { timeout: 10_000 }).toBe(1);
});

test("a wrong key, an unknown path and a foreign method get an error in OpenAI's shape", async () => {
  const up = await start((res) => sendJson(res, answer));
  await expect(sdk(up, "sk-bad").models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  const statuses = await Promise.all(["/none", "/embeddings"].map(async (path) => (await fetch(up.url + path)).status));
  expect(statuses).toEqual([404, 404]);
});
