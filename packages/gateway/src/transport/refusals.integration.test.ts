/** What clients hear where an upstream refuses, fails, or breaks off, and what they never hear. */
import { connect } from "node:net";
import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { chatEvents, sendEvents, startScripted, type Scripted } from "../testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}

async function ask(up: Scripted, path = "/chat/completions", body: object = {}, headers: object = {}) {
  const response = await fetch(up.url + path, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", ...headers },
    body: JSON.stringify({ model: "m", ...body }),
  });
  let text = "";
  let isBrokenOff = false;
  try {
    for await (const chunk of response.body!) text += Buffer.from(chunk as Uint8Array).toString();
  } catch {
    isBrokenOff = true;
  }
  return { status: response.status, headers: response.headers, text, isBrokenOff };
}

const refuse = (status: number, body: string | object, headers: Record<string, string> = {}) =>
  start((res) => void res.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body)));
const errorIn = (text: string) => (JSON.parse(text) as { error: Record<string, unknown> }).error;

describe("the client's fault keeps its status and its words", () => {
  test.each<[string, number, string | object, string]>([
    ["vLLM's shape", 400, { object: "error", message: "Too long.", type: "BadRequestError", code: 400 }, "Too long."],
    ["FastAPI's one detail", 404, { detail: "Not Found" }, "Not Found"],
    ["FastAPI's details", 422, { detail: [{ loc: ["body", "x"], msg: "field required" }] }, "body.x: field required"],
    ["an error in words", 400, { error: "model is required" }, "model is required"],
    ["a message alone", 413, { message: "Too large." }, "Too large."],
    ["plain text", 415, "Unsupported media", "Unsupported media"],
    ["a page", 400, "<html>no</html>", "The model provider refused this request with status 400."],
    ["nothing", 409, "", "The model provider refused this request with status 409."],
    ["a policy", 451, { error: null, detail: { msg: "Not here." } }, "Not here."],
  ])("%s", async (_what, status, body, message) => {
    const up = await refuse(status, body);
    const seen = await ask(up);
    expect([seen.status, seen.headers.get("x-should-retry")]).toEqual([status, "false"]);
    expect(errorIn(seen.text)).toMatchObject({ message, type: "invalid_request_error" });
    expect(up.settlements).toMatchObject([{ outcome: "released" }]);
  });
});

describe("the upstream's fault keeps its status and code, in our words", () => {
  test.each<[number, string | object, number, string, string]>([
    [
      500,
      { error: { message: "at x.py:5", type: "server_error", code: null } },
      500,
      "server_error",
      "reported an error",
    ],
    [503, { error: { message: "x", code: "server_is_overloaded" } }, 503, "server_is_overloaded", "overloaded"],
    [529, { error: { message: "x", type: "overloaded_error" } }, 529, "overloaded_error", "overloaded"],
    [502, "<html>bad gateway</html>", 502, "upstream_failed", "reported an error"],
    [500, { error: { code: "a secret with spaces" } }, 500, "upstream_failed", "reported an error"],
  ])("%i %o", async (status, body, seen, code, words) => {
    const up = await refuse(status, body);
    const { status: told, text } = await ask(up);
    expect([told, errorIn(text).code]).toEqual([seen, code]);
    expect(errorIn(text).message).toContain(words);
    expect(text).not.toContain("x.py");
  });
});

describe("what is between the operator and the upstream reaches nobody", () => {
  test.each<[number, object | string]>([
    [402, { error: { message: "Payment required. Top up at the console." } }],
    [400, { error: { message: "Your credit balance is too low to access the API.", type: "invalid_request_error" } }],
    [403, { error: { code: "billing_hard_limit_reached" } }],
    [429, { error: { message: "You exceeded your current quota, please check your plan and billing details." } }],
    [429, { error: { type: "insufficient_quota", code: "organization_spend_limit_exceeded" } }],
    [402, "Insufficient Balance"],
    [401, "Unauthorized"],
    [403, ""],
  ])("%i %o", async (status, body) => {
    const up = await refuse(status, body);
    const { status: told, text } = await ask(up);
    expect([told, errorIn(text).code]).toEqual([503, "upstream_unavailable"]);
    expect(text).not.toMatch(/credit|quota|balance|billing|payment/i);
    expect(up.logged.map(({ event }) => event)).toContain("upstream_refuses_operator");
    const isKey = status === 401 && typeof body === "string";
    if (status !== 403 || body !== "") {
      expect(up.gateway.vitals(up.upstream).fault?.reason).toBe(isKey ? "key_refused" : "quota_used_up");
    }
  });

  test.each([407, 421, 426, 301])("a %i is a 502", async (status) => {
    expect((await ask(await refuse(status, "", { location: "https://x.example" }))).status).toBe(502);
  });
});

test.each([
  ["retry-after", "Fri, 01 Jan 2100 00:00:00 GMT", "86400000"],
  ["retry-after-ms", "1200", "1200"],
  ["retry-after", "1e400", null],
])("a hint when to come again is understood: %s %s", async (name, value, waitMs) => {
  const up = await refuse(429, { error: { code: "rate_limit_exceeded" } }, { [name]: value });
  expect((await ask(up)).headers.get("retry-after-ms")).toBe(waitMs);
});

describe("a stream that breaks off", () => {
  const created = `event: response.created\ndata: ${JSON.stringify({ type: "response.created", response: { id: "resp_1", model: "m-1" } })}\n\n`;
  const delta = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a"}\n\n';

  test("is a failed response, then an error, for whoever listens for either", async () => {
    const up = await start((res) => sendEvents(res, [created, delta], { thenDestroy: true }));
    const { text, isBrokenOff } = await ask(up, "/responses", { stream: true });
    expect(isBrokenOff).toBe(true);
    const [failed, error] = text.split("\n\n").slice(2);
    expect(failed).toContain("event: response.failed\n");
    expect(failed).toContain('"id":"resp_1"');
    expect(failed).toContain('"error":{"code":"upstream_failed"');
    expect(error).toContain("event: error\n");
  });

  test("is for Codex a failed response, behind which the stream ends in order", async () => {
    const up = await start((res) => sendEvents(res, [created, delta], { thenDestroy: true }));
    const { text, isBrokenOff } = await ask(up, "/responses", { stream: true }, { originator: "codex_exec" });
    expect(isBrokenOff).toBe(false);
    expect(text.split("\n\n").slice(2, -1)).toEqual([expect.stringContaining("event: response.failed\n")]);
  });

  test("raises in the SDK", async () => {
    const up = await start((res) => sendEvents(res, [created, delta], { thenDestroy: true }));
    const client = new OpenAI({ apiKey: "sk-good", baseURL: up.url, maxRetries: 0 });
    const types: string[] = [];
    await expect(async () => {
      for await (const event of await client.responses.create({ model: "m", input: "x", stream: true })) {
        types.push(event.type);
      }
    }).rejects.toThrow();
    expect(types).toContain("response.failed");
  });

  test.each([
    ["flat", { type: "error", code: "server_is_overloaded", message: "Too busy.", sequence_number: 3 }],
    ["nested", { type: "error", error: { code: "server_is_overloaded", message: "Too busy." } }],
  ])("by an error of the upstream's own passes that on, after the words for Codex: %s", async (_what, said) => {
    const event = `event: error\ndata: ${JSON.stringify(said)}\n\n`;
    const up = await start((res) => sendEvents(res, [created, delta, event]));
    const { text } = await ask(up, "/responses", { stream: true });
    expect(text).toContain('"error":{"code":"server_is_overloaded","message":"Too busy."}');
    expect(text.endsWith(event)).toBe(true);
    expect(text.match(/event: error/g)).toHaveLength(1);
  });
});

describe("the operator's key, organization and host", () => {
  const secret = { apiKey: "sk-operator-secret", organization: "org-acme-2026" };
  const startSecret = (script: Parameters<typeof startScripted>[0]) =>
    start(script, { listUpstreams: () => [{ ...running!.upstream, ...secret }] });

  test("stand in no error", async () => {
    const up = await startSecret((res, req) => {
      const { host, authorization } = req.headers;
      const message = `Key ${authorization?.slice(7)} of ${String(req.headers["openai-organization"])} at ${host}`;
      res.writeHead(400).end(JSON.stringify({ error: { message, code: "x" } }));
    });
    const { text } = await ask(up);
    expect(errorIn(text).message).toBe("Key ****************** of ************* at ***");
  });

  test("stand in no whole answer, and in no stream, however that is cut", async () => {
    const leak = `${secret.apiKey} ${secret.organization}`;
    const bytes = Buffer.from(chatEvents([leak, "b"]).join(""));
    const up = await startSecret((res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      const next = (at: number): void => {
        if (at >= bytes.length) res.end();
        else res.write(bytes.subarray(at, at + 7), () => setImmediate(next, at + 7));
      };
      next(0);
    });
    const { text } = await ask(up, "/chat/completions", { stream: true });
    expect(text).toBe(chatEvents([leak.replace(/[^ ]/g, "*"), "b"], null).join(""));
    expect(up.settlements).toMatchObject([{ basis: "exact" }]);
  });

  test("stand in no error within a stream", async () => {
    const up = await startSecret((res, req) =>
      sendEvents(res, [`data: {"error":{"message":"${secret.apiKey} at ${req.headers.host} of org-other12345"}}\n\n`]),
    );
    const { text } = await ask(up, "/chat/completions", { stream: true });
    expect(text).toContain("at *** of ***");
    expect(text).not.toContain(secret.apiKey);
  });
});

test("300 headers of a client's do not go upstream", async () => {
  const up = await start((res) => sendEvents(res, chatEvents(["a"])));
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x-codex-${n}`, "x"]));
  await ask(up, "/chat/completions", { stream: true }, many);
  const sent = Object.keys(up.upstreamHeaders[0]!).filter((name) => name.startsWith("x-codex-"));
  expect(sent.length).toBeLessThanOrEqual(50);
});

test.each([
  ["websocket", "/v1/responses", 426],
  ["WebSocket", "/v1/realtime", 426],
  ["h2c", "/v1/models", 200],
])("an offer to speak %s at %s is answered %i", async (protocol, path, status) => {
  const up = await start((res) => void res.end());
  const { hostname, port } = new URL(up.url);
  const client = connect(Number(port), hostname);
  client.write(
    `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-good\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n` +
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
  );
  const [head] = await new Promise<string[]>((resolve) => client.once("data", (bytes) => resolve([bytes.toString()])));
  client.destroy();
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});
