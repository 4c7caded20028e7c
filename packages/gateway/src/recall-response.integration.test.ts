import type { ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import type { Ports } from "./ports.ts";
import { recallResponse } from "./recall-response.ts";
import { sendJson, startScripted, type Scripted } from "./testing/scripted.ts";
import { createTurns } from "./metering/turns.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

const stored = {
  id: "resp_1",
  status: "completed",
  model: "m-1",
  service_tier: "flex",
  output: [{ type: "web_search_call", action: { type: "search" } }, { type: "message" }],
  usage: { input_tokens: 9, output_tokens: 2, input_tokens_details: { cached_tokens: 4 } },
};

async function recall(answer: (res: ServerResponse) => void, id = "resp_1") {
  const asked: string[] = [];
  running = await startScripted((res, req) => {
    asked.push(`${req.method} ${req.url} ${req.headers.authorization}`);
    answer(res);
  });
  return { found: await running.gateway.recallResponse(id), asked };
}

test("an ended response's usage is what its upstream keeps of it, asked for with the operator's key", async () => {
  const { found, asked } = await recall((res) => sendJson(res, stored));
  expect(asked).toEqual(["GET /v1/responses/resp_1 Bearer sk-operator"]);
  expect(found).toEqual({
    outcome: "used",
    upstreamId: "upstream",
    usage: { input: 5, cached_input: 4, output: 2, web_search_call: 1 },
    serviceTier: "flex",
    servedModel: "m-1",
  });
});

test.each<[string, (res: ServerResponse) => void]>([
  ["is not known", (res) => sendJson(res, { error: { message: "not found" } }, 404)],
  ["has not ended", (res) => sendJson(res, { ...stored, status: "in_progress" })],
  ["is another one", (res) => sendJson(res, { ...stored, id: "resp_2" })],
  ["says nothing of its usage", (res) => sendJson(res, { ...stored, usage: null })],
  ["used a container whose size nobody knows", (res) => sendJson(res, { ...stored, output: [{ type: "shell_call" }] })],
  ["is no JSON", (res) => void res.end("<html>")],
  ["does not come", (res) => res.writeHead(200).flushHeaders()],
])("a response that %s is not recalled", async (_what, answer) => {
  expect((await recall(answer)).found).toBeNull();
});

test("a response that failed with nothing to show cost nothing", async () => {
  const { found } = await recall((res) => sendJson(res, { ...stored, status: "failed", usage: null, output: [] }));
  expect(found).toEqual({ outcome: "nothing" });
});

test("the upstream that has it answers, however long another one takes, and one that refuses its key is not asked", async () => {
  const upstream = (id: string) => ({ id, baseUrl: "", apiKey: "", organization: null, project: null, weight: 1 });
  const asked: string[] = [];
  const client = {
    vitals: ({ id }: { id: string }) => ({
      fault: id === "out" ? { reason: "key_refused" as const, status: 401, failedAtMs: 0 } : null,
      answeredAtMs: null,
    }),
    read: ({ id }: { id: string }) => {
      asked.push(id);
      const answer = { status: 200, body: Buffer.from(JSON.stringify(stored)) };
      return id === "has it" ? Promise.resolve(answer) : new Promise<never>(() => undefined);
    },
  };
  const found = await recallResponse(
    { client, turns: createTurns() },
    ["silent", "out", "has it"].map(upstream),
    "resp_1",
  );
  expect([found, asked]).toMatchObject([{ upstreamId: "has it" }, ["silent", "has it"]]);
});

test("an id that would lead elsewhere is not asked for", async () => {
  expect(await recall((res) => sendJson(res, stored), "resp_1/../../models")).toEqual({ found: null, asked: [] });
});

test("a stream that falls silent is written down with its response's id", async () => {
  const noted: Parameters<Ports["checkpoint"]>[0][] = [];
  running = await startScripted(
    (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      const response = { id: "resp_1", status: "in_progress", usage: null };
      res.write(`event: response.created\ndata: ${JSON.stringify({ type: "response.created", response })}\n\n`);
    },
    { checkpoint: (progress) => void noted.push(progress) },
  );
  const controller = new AbortController();
  const response = await fetch(`${running.url}/responses`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good" },
    body: '{"model":"m","stream":true,"input":"Hello"}',
    signal: controller.signal,
  });
  expect(response.status).toBe(200);
  await expect.poll(() => noted.length, { timeout: 4_000 }).toBe(1);
  expect(noted[0]).toMatchObject({ upstreamResponseId: "resp_1", observedOutputTokens: 0 });
  controller.abort();
});
