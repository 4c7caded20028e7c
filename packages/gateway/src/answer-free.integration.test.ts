import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { freeEndpoints } from "./endpoints/free-endpoints.ts";
import type { Ports, ResourceRef } from "./ports.ts";
import { sendEvents, sendJson, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}

/** Resources that are all somebody's own, or nobody's; and what was asked of them. */
function aResources(isOwn = true) {
  const asked: ResourceRef[] = [];
  const changes: object[] = [];
  const resources: Ports["resources"] = {
    locate: ({ resources: refs }) => {
      asked.push(...refs);
      return Promise.resolve(
        isOwn || refs.length === 0 ? { upstreamId: null } : { refused: "resource_not_found", message: "not found" },
      );
    },
    add: ({ kind, id }) => Promise.resolve(void changes.push({ added: kind, id })),
    remove: ({ kind, id }) => Promise.resolve(void changes.push({ removed: kind, id })),
    list: () => Promise.resolve([]),
  };
  return { resources, asked, changes };
}

const ask = ({ url }: Scripted, method: string, path: string, init: RequestInit = {}) =>
  fetch(`${url}${path.slice("/v1".length)}`, { method, headers: { authorization: "Bearer sk-good" }, ...init });

const pathOf = (template: string) => template.replaceAll(/\{(\w+)\}/g, "$1_1");
const bodyFor = ({ shape }: { shape: object | null }) => (shape === null ? {} : { body: '{"input":"hello"}' });

/** Lists have an answer of their own. */
const passedOn = freeEndpoints.filter(({ lists }) => lists === null);

describe.each(passedOn.map((endpoint) => [endpoint.name, endpoint] as const))("%s", (_, endpoint) => {
  test("goes upstream as it came, costs nothing, and its answer comes back byte by byte", async () => {
    const seen: string[] = [];
    const up = await start((res, req) => {
      seen.push(`${req.method} ${req.url}`);
      res.writeHead(200, { "content-type": "application/json" }).end('{"id": "a_1",  "big": 12345678901234567890}');
    }, aResources());
    const answer = await ask(up, endpoint.method, pathOf(endpoint.path), bodyFor(endpoint));
    expect(await answer.text()).toBe('{"id": "a_1",  "big": 12345678901234567890}');
    expect(seen).toEqual([`${endpoint.method} ${pathOf(endpoint.path)}`]);
    expect(up.bodies).toEqual([endpoint.shape === null ? "" : '{"input":"hello"}']);
    expect(up.upstreamHeaders[0]).toMatchObject({ authorization: "Bearer sk-operator" });
    expect([up.holds, up.settlements]).toEqual([[], []]);
    expect(up.records).toMatchObject([{ endpoint: endpoint.name, status: 200 }]);
    expect(up.gateway.inFlight()).toBe(0);
  });

  test("needs a key", async () => {
    const up = await start((res) => sendJson(res, {}), aResources());
    const answer = await ask(up, endpoint.method, pathOf(endpoint.path), { headers: {}, ...bodyFor(endpoint) });
    expect(answer.status).toBe(401);
    expect(up.bodies).toEqual([]);
  });

  const ids = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
  test.skipIf(ids.length === 0)("does not exist for whoever does not own what it names", async () => {
    const { resources, asked } = aResources(false);
    const up = await start((res) => sendJson(res, {}), { resources });
    const answer = await ask(up, endpoint.method, pathOf(endpoint.path), bodyFor(endpoint));
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({
      error: { message: "not found", type: "invalid_request_error", param: null, code: null },
    });
    expect(up.bodies).toEqual([]);
    expect(asked[0]).toMatchObject({ id: `${asked[0]!.kind}_1`, param: null });
  });

  test.skipIf(ids.length === 0).each(["%00", "a%2Fb", "x".repeat(300), "%0d%0a", "%ff"])(
    "has nothing of the id %j, and asks nobody for it",
    async (id) => {
      const { resources, asked } = aResources();
      const up = await start((res) => sendJson(res, {}), { resources });
      const path = endpoint.path.replaceAll(/\{\w+\}/g, id);
      const answer = await ask(up, endpoint.method, path, bodyFor(endpoint));
      expect([answer.status, asked, up.bodies]).toEqual([404, [], []]);
    },
  );
});

describe("a body of a free call", () => {
  test.each([
    ['{"input":"x","previous_response_id":"resp_x"}', "response", "previous_response_id"],
    ['{"input":"x","conversation":"conv_x"}', "conversation", "conversation"],
    ['{"input":"x","conversation":{"id":"conv_x"}}', "conversation", "conversation"],
    ['{"input":"x","conversation":{"\\u0069d":"conv_x"}}', "conversation", "conversation"],
  ])("%s is asked for what it names", async (body, kind, param) => {
    const { resources, asked } = aResources(false);
    const up = await start((res) => sendJson(res, {}), { resources });
    const answer = await ask(up, "POST", "/v1/responses/input_tokens", { body });
    expect(answer.status).toBe(404);
    expect(asked).toMatchObject([{ kind, param }]);
    expect(up.bodies).toEqual([]);
  });

  test.each([
    '{"input":[{"type":"input_file","file_id":"file-1"}]}',
    '{"input":[{"type":"message","role":"user","content":[{"type":"input_image","file_id":"file-1"}]}]}',
    '{"input":[{"type":"item_reference","id":"msg_1"}]}',
    '{"input":"x","tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]}',
    '{"input":"x","conversation":{"id":"mine","id":"conv_x"}}',
    '{"input":"x","conversation":{"id":"mine","ID":"conv_x"}}',
    '{"input":"x","conversation":{"Id":"conv_x"}}',
    '{"input":"x","conversation":7}',
    '{"input":"x","conversation":""}',
    '{"input":"x","previous_response_id":"a\\u0000b"}',
    '{"input":"x","previous_response_id":["resp_x"]}',
    "not json",
    "",
  ])("%s is refused before anybody is asked", async (body) => {
    const { resources, asked } = aResources();
    const up = await start((res) => sendJson(res, {}), { resources });
    const answer = await ask(up, "POST", "/v1/responses/input_tokens", { body });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { type: "invalid_request_error" } });
    expect([asked, up.bodies]).toEqual([[], []]);
  });
});

test("of a query what is known goes upstream, and nothing else", async () => {
  const seen: string[] = [];
  const up = await start((res, req) => {
    seen.push(req.url ?? "");
    sendJson(res, { data: [] });
  }, aResources());
  await ask(
    up,
    "GET",
    "/v1/responses/resp_1/input_items?limit=2&order=asc&include[]=a&include%5B%5D=b&api_key=x&after=m%26n",
  );
  expect(seen).toEqual([
    "/v1/responses/resp_1/input_items?limit=2&order=asc&include%5B%5D=a&include%5B%5D=b&after=m%26n",
  ]);
});

test("a stored response comes as a stream where it is asked for so, and ends as its upstream ends it", async () => {
  const events = ["response.created", "response.completed"].map(
    (type) => `event: ${type}\ndata: ${JSON.stringify({ type, response: { id: "resp_1" }, sequence_number: 3 })}\n\n`,
  );
  const up = await start((res) => sendEvents(res, events, { everyMs: 5 }), aResources());
  const client = new OpenAI({ apiKey: "sk-good", baseURL: up.url, maxRetries: 0 });
  const stream = await client.responses.retrieve("resp_1", { stream: true, starting_after: 2 });
  const types: string[] = [];
  for await (const event of stream) types.push(event.type);
  expect(types).toEqual(["response.created", "response.completed"]);
  expect(up.settlements).toEqual([]);
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
});

test("a stream that breaks off is broken off", async () => {
  const event = 'event: response.created\ndata: {"type":"response.created"}\n\n';
  const up = await start((res) => sendEvents(res, [event], { thenDestroy: true }), aResources());
  const answer = await ask(up, "GET", "/v1/responses/resp_1?stream=true");
  await expect(answer.text()).rejects.toThrow();
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
});

test("a large answer comes whole, in pieces", async () => {
  const large = { id: "resp_1", text: "x".repeat(3_000_000) };
  const up = await start((res) => sendJson(res, large), aResources());
  expect(await (await ask(up, "GET", "/v1/responses/resp_1")).json()).toEqual(large);
  await expect.poll(() => up.gateway.inFlight()).toBe(0);
});

test("what a provider has deleted is nobody's any more; what it has not is", async () => {
  const { resources, changes } = aResources();
  let status = 500;
  const up = await start((res) => sendJson(res, status === 200 ? { deleted: true } : { error: {} }, status), {
    resources,
  });
  await ask(up, "DELETE", "/v1/responses/resp_1");
  expect(changes).toEqual([]);
  status = 200;
  await ask(up, "DELETE", "/v1/responses/resp_1");
  expect(changes).toEqual([{ removed: "response", id: "resp_1" }]);
});

test("a user has so many free calls a minute, whatever they are, and no more reach the operator's provider", async () => {
  const up = await start((res) => sendJson(res, {}), aResources(), { budgets: { freeCallsPerMinute: 3 } });
  const statuses: number[] = [];
  for (let n = 0; n < 5; n++) {
    const answer = await ask(up, "POST", "/v1/moderations", { body: '{"input":"x"}' });
    statuses.push(answer.status);
    if (answer.status === 429) {
      expect(await answer.json()).toMatchObject({
        error: { type: "rate_limit_exceeded", code: "rate_limit_exceeded" },
      });
      expect(Number(answer.headers.get("retry-after-ms"))).toBeGreaterThan(0);
    }
  }
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  expect(up.bodies).toHaveLength(3);
});

test("the words of a provider come through, its key and host do not", async () => {
  const up = await start(
    (res) =>
      sendJson(res, { error: { message: "No such response, says sk-operator.", type: "invalid_request_error" } }, 404),
    aResources(),
  );
  const answer = await ask(up, "GET", "/v1/responses/resp_1");
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ error: { message: "No such response, says ***********." } });
});

test.each([
  ["GET", "/v1/assistants", 410, "2026-08-26"],
  ["POST", "/v1/threads/thread_1/runs", 410, "2026-08-26"],
  ["POST", "/v1/videos", 410, "2026-09-24"],
  ["POST", "/v1/evals", 410, "2026-11-30"],
  ["GET", "/v1/prompts/p", 410, "2026-11-30"],
  ["POST", "/v1/images/variations", 410, "2026-05-12"],
  ["POST", "/v1/fine_tuning/jobs", 404, "operator's own"],
  ["GET", "/v1/organization/usage/completions", 404, "operator's own"],
  ["GET", "/v1/assistantsx", 404, "Unknown request URL"],
  ["POST", "/v1/files", 404, "Unknown request URL"],
  ["PATCH", "/v1/responses/resp_1", 404, "Use GET or DELETE"],
  ["GET", "/v1/moderations", 404, "Use POST"],
  ["POST", "/v1/credits", 404, "Use GET"],
  ["GET", `/v1/${"x".repeat(2_000)}`, 404, "Unknown request URL"],
])("%s %s is refused with %s and a sentence that says %s", async (method, path, status, words) => {
  const up = await start((res) => sendJson(res, {}), aResources());
  const answer = await ask(up, method, path);
  expect(answer.status).toBe(status);
  const { error } = (await answer.json()) as { error: { message: string; type: string } };
  expect(error.type).toBe("invalid_request_error");
  expect(error.message).toContain(words);
  expect(error.message.length).toBeLessThan(300);
  expect([up.bodies, up.holds]).toEqual([[], []]);
});
