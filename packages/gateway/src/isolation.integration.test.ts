import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { chatEvents, sendEvents, sendJson, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}
const post = ({ url }: Scripted, body: string | Uint8Array, path = "/chat/completions") =>
  fetch(url + path, { method: "POST", headers: { authorization: "Bearer sk-good" }, body: Buffer.from(body) });
const answer = { id: "x", model: "m-1", choices: [], usage: { prompt_tokens: 9, completion_tokens: 2 } };

const controlWords = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|endofprompt|>", "<|fim_prefix|>", "<|start|>"];

test.each(controlWords)("%s is text, in a prompt and in an answer that comes without usage", async (word) => {
  const up = await start((res) => sendEvents(res, chatEvents([word, " and more"], null)));
  const messages = [{ role: "user", content: `say ${word}` }];
  await (await post(up, JSON.stringify({ model: "m", stream: true, messages }))).text();
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "estimate", flags: ["no_usage"] }]);
  const [{ usage }] = up.settlements as unknown as [{ usage: { input: number; output: number } }];
  expect(usage.input).toBeGreaterThan(4);
  expect(usage.output).toBeGreaterThan(2);
  expect(up.bodies).toHaveLength(1);
});

test("a checkpoint that cannot be written ends neither the stream nor the process, and shows nothing of the body", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["secret ", "words"]), { everyMs: 1_500 }), {
    checkpoint: () => {
      throw new Error("no database");
    },
  });
  const text = await (await post(up, '{"model":"m","stream":true,"messages":["secret <|endoftext|>"]}')).text();
  expect(text).toContain("[DONE]");
  expect(up.settlements).toMatchObject([{ basis: "exact" }]);
  expect(up.logged.map(({ event }) => event)).toContain("checkpoint_failed");
  expect(JSON.stringify(up.logged)).not.toContain("secret");
}, 15_000);

test("a settlement that fails is logged once, and the call is over", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["a"])), {
    settle: () => Promise.reject(new Error("disk full")),
  });
  await expect(post(up, '{"model":"m","stream":true}').then((response) => response.text())).rejects.toThrow();
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
  expect(up.logged.filter(({ event }) => event === "settle_failed")).toHaveLength(1);
});

const brokenStrings = ["\\q", "\\u12", "\\u12g4", "\\x41", "\\", "\u0001", "\n", "\t", "\\U0041"];
const places = [
  (text: string) => `{"model":"m","messages":[{"content":"hush${text}"}]}`,
  (text: string) => `{"model":"hush${text}"}`,
  (text: string) => `{"model":"m","hush${text}":1}`,
  (text: string) => `{"model":"m","a":[[[[{"hush":{"hush${text}":[]}}]]]]}`,
];
const brokenBodies = [
  '{"model":"m"}hush',
  '{"model":"m"}{}',
  '{"model":"m",}',
  '{"model":"m","hush":01}',
  '{"model":"m","hush":.5}',
  '{"model":"m","hush":1.}',
  '{"model":"m","hush":1e}',
  '{"model":"m","hush":+1}',
  '{"model":"m","hush":NaN}',
  '{"model":"m","hush":nul}',
  '{"model":"m","hush":truee}',
  '{"model":"m","hush":[1,]}',
  '{"model":"m","hush":[1 2]}',
  '{"model":"m" "hush":1}',
  "{'model':'hush'}",
  '{"model":"m","hush":"',
  '{"model":"m","hush":{',
  '\uFEFF{"model":"hush"}',
  "",
  "hush",
  "null",
];

describe("what is no JSON is a 400 before a hold, and nothing of it is shown or logged", () => {
  test.each([...brokenStrings.flatMap((text) => places.map((place) => place(text))), ...brokenBodies])(
    "%j",
    async (body) => {
      const up = await start((res) => sendJson(res, answer));
      const response = await post(up, body);
      const text = await response.text();
      expect([response.status, JSON.parse(text)]).toMatchObject([400, { error: { type: "invalid_request_error" } }]);
      expect([up.holds, up.bodies, up.logged]).toEqual([[], [], []]);
      expect(text).not.toContain("hush");
    },
  );
});

test.each([
  ["model", "a\0b"],
  ["model", "\ud800"],
  ["model", "x".repeat(10_000_000)],
  ["previous_response_id", "resp_\0"],
  ["previous_response_id", "r".repeat(1_000)],
  ["service_tier", "\udfff"],
  ["service_tier", "t".repeat(100_000)],
  ["service_tier", ""],
])("a %s that the database cannot keep is a 400", async (member, value) => {
  const up = await start((res) => sendJson(res, answer));
  const response = await post(up, JSON.stringify({ model: "m", [member]: value }), "/responses");
  expect([response.status, await response.json()]).toMatchObject([400, { error: { param: member } }]);
  expect(up.holds).toEqual([]);
});

test.each([
  [{ n: 129 }, "n"],
  [{ best_of: 129 }, "best_of"],
  [{ prompt: Array<string>(2_049).fill("a") }, "prompt"],
  [{ prompt: Array<string>(1_000).fill("a"), n: 3 }, "prompt"],
  [{ prompt: Array<string>(10_461).fill("a"), n: 128, max_tokens: 10_000_000 }, "prompt"],
  [{ max_tokens: 1e300 }, "max_tokens"],
  [{ max_tokens: 1.5 }, "max_tokens"],
  [{ max_tokens: 2 ** 53 + 2 }, "max_tokens"],
])("more than an answer can hold is a 400 that names it: %#", async (rest, param) => {
  const up = await start((res) => sendJson(res, answer));
  const response = await post(up, JSON.stringify({ model: "m", ...rest }), "/completions");
  expect([response.status, await response.json()]).toMatchObject([400, { error: { param } }]);
  expect(up.holds).toEqual([]);
});

const lies: object[] = [
  { usage: { prompt_tokens: 1e300, completion_tokens: 1 } },
  { usage: { prompt_tokens: -1, completion_tokens: 1 } },
  { usage: { prompt_tokens: 1.5, completion_tokens: 1 } },
  { usage: { prompt_tokens: "9", completion_tokens: 1 } },
  { usage: { prompt_tokens: 1, completion_tokens: 2 ** 60 } },
  { usage: [] },
  { id: "x".repeat(10_000_000) },
  { id: "a\0b", model: "\ud800", service_tier: "t".repeat(1_000) },
  { id: 7, model: {}, service_tier: [] },
];

test.each(lies)("what an upstream states and cannot be true reaches no settlement: %#", async (lie) => {
  const up = await start((res) => {
    res.setHeader("x-request-id", "r".repeat(8_000));
    sendJson(res, { ...answer, ...lie });
  });
  await (await post(up, '{"model":"m","max_tokens":5}')).arrayBuffer();
  const [settlement] = up.settlements as unknown as [Record<string, unknown> & { usage: Record<string, number> }];
  for (const count of Object.values(settlement.usage)) {
    expect(Number.isSafeInteger(count) && count >= 0 && count < 1_000_000).toBe(true);
  }
  expect(settlement.upstreamRequestId).toBeNull();
  for (const name of ["upstreamResponseId", "servedModel", "serviceTier"]) {
    expect(["x", "m-1", null]).toContain(settlement[name]);
  }
});

test.each([403, 404])(
  "a model that the operator's account does not have (%i) is a 404 for its caller",
  async (status) => {
    const error = { message: "Project `proj_abcdefgh` has no access", code: "model_not_found", type: "x" };
    const up = await start((res) => sendJson(res, { error }, status));
    for (let n = 0; n < 10; n++) {
      const response = await post(up, '{"model":"m"}');
      expect([response.status, await response.json()]).toMatchObject([404, { error: { code: "model_not_found" } }]);
    }
    expect([up.bodies.length, up.gateway.health(up.upstream)]).toEqual([10, "healthy"]);
  },
);

const mebibyte = 1024 * 1024;
const filler = Buffer.alloc(9 * mebibyte, "x");

/** Sends a head that declares `declared` bytes, `sent` of them, and waits. */
function halfSend({ url }: Scripted, declared: number, sent: number): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  socket.on("error", () => undefined);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-good\r\ncontent-length: ${declared}\r\n\r\n`,
  );
  // One piece of memory for all: two hundred of them would be the test's own.
  socket.write(filler.subarray(0, sent));
  return new Promise((resolve) => {
    socket.once("data", (data) => resolve(data.toString()));
    socket.once("close", () => resolve(""));
  });
}

test(
  "two hundred half-sent bodies of one user cost no more than its budget, and give it back",
  { timeout: 60_000 },
  async () => {
    const up = await start((res) => sendJson(res, answer));
    const before = process.memoryUsage.rss();
    const answers = Array.from({ length: 200 }, () => halfSend(up, 10 * mebibyte, 9 * mebibyte));
    // Six have room; the others are told so before their bodies are read.
    await expect.poll(() => up.records.length, { timeout: 30_000 }).toBe(194);
    expect(up.records.every(({ status }) => status === 429)).toBe(true);
    await expect.poll(() => up.gateway.inFlight()).toBe(6);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * mebibyte);
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(answers);
    await expect.poll(() => up.gateway.inFlight()).toBe(0);
    expect((await post(up, JSON.stringify({ model: "m", x: "x".repeat(9 * mebibyte) }))).status).toBe(200);
  },
);

test("what is over the budget is a 429 of the user's, or a 503 of the process's", async () => {
  const requestBytes = { perUser: 1_000, inAll: 1_500 };
  const authenticate = ({ secret }: { secret: string }) => ({
    apiKeyId: "k",
    userId: secret,
    accountId: "a",
    safetyIdentifier: "s",
    allowedModels: [],
  });
  const up = await start((res) => sendJson(res, answer), { authenticate }, { budgets: { requestBytes } });
  const ask = (secret: string, bytes: number) =>
    fetch(`${up.url}/responses`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model: "m", x: "x".repeat(bytes) }),
    });
  const waiting = halfSend(up, 900, 10);
  await expect.poll(() => up.gateway.inFlight()).toBe(1);
  const own = await ask("sk-good", 200);
  expect([own.status, own.headers.get("retry-after")]).toEqual([429, "1"]);
  expect((await ask("other", 700)).status).toBe(503);
  expect((await ask("other", 300)).status).toBe(200);
  for (const socket of sockets.splice(0)) socket.destroy();
  await waiting;
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
  expect((await ask("sk-good", 700)).status).toBe(200);
});

test("a user may have so many calls under way, and no more", async () => {
  const up = await start(() => undefined, {}, { budgets: { callsPerUser: 2 } });
  const calls = Array.from({ length: 2 }, () => post(up, '{"model":"m"}').catch(() => null));
  await expect.poll(() => up.bodies.length).toBe(2);
  expect((await post(up, '{"model":"m"}')).status).toBe(429);
  await up.stop();
  running = null;
  await Promise.all(calls);
});

test("large answers of one user wait for each other's room, and all arrive whole", async () => {
  const body = JSON.stringify({ ...answer, data: "x".repeat(3 * mebibyte) });
  const answerBytes = { perUser: 4 * mebibyte, perUpstream: 4 * mebibyte, inAll: 4 * mebibyte };
  const up = await start(
    (res) => {
      res.writeHead(200, { "content-type": "application/json" });
      res.end(body);
    },
    {},
    { budgets: { answerBytes } },
  );
  const texts = await Promise.all(
    Array.from({ length: 12 }, async () => (await post(up, '{"model":"m"}', "/embeddings")).text()),
  );
  expect(texts.every((text) => text === body)).toBe(true);
  expect(up.settlements).toHaveLength(12);
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
});
