import { afterEach, expect, test } from "vitest";
import { meterVectors } from "../metering/meter-answer.ts";
import { readRequestFacts } from "../metering/request-facts.ts";
import { sendJson, startScripted, type Scripted } from "../testing/scripted.ts";
import { embeddings } from "./embeddings.ts";
import type { Endpoint } from "./endpoint.ts";
import { endpoints } from "./index.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

/** The one file of an endpoint that nobody has thought of yet; its one line is its place in the list. */
const rankings: Endpoint = {
  ...embeddings,
  name: "rankings",
  path: "/v1/rankings",
  readRequest: (body) => readRequestFacts(body),
  rewriteBody: ({ caller }) => ({ user: caller.safetyIdentifier }),
  meterWhole: async (body, tools) => {
    const metered = await meterVectors(body, tools);
    const { meta } = JSON.parse(Buffer.from(body).toString()) as { meta: { tokens: number } };
    return { ...metered, facts: { ...metered.facts, usage: { prompt_tokens: meta.tokens, completion_tokens: 0 } } };
  },
};

const ask = ({ url }: Scripted, init: RequestInit = {}) =>
  fetch(`${url}/rankings`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good" },
    body: JSON.stringify({ model: "m", query: "q", documents: ["a", "b"] }),
    ...init,
  });

test("a new endpoint is a record and its place in the list: it is held for, rewritten, metered and charged", async () => {
  const answer = { id: "rank-1", results: [{ index: 1 }], meta: { tokens: 7 } };
  running = await startScripted((res) => sendJson(res, answer), {}, { endpoints: [...endpoints, rankings] });
  expect(await (await ask(running)).json()).toEqual(answer);
  expect(running.bodies).toEqual(['{"user":"user-hash","model":"m","query":"q","documents":["a","b"]}']);
  expect(running.holds).toMatchObject([{ endpoint: "rankings", hasOutput: false, model: "m" }]);
  expect(running.settlements).toMatchObject([{ outcome: "captured", basis: "exact", usage: { input: 7, output: 0 } }]);
  expect(running.records).toMatchObject([{ endpoint: "rankings", status: 200 }]);
});

test("it is known by its path and method, and to nobody where it is not in the list", async () => {
  running = await startScripted((res) => sendJson(res, {}), {}, { endpoints: [...endpoints, rankings] });
  expect(await (await ask(running, { method: "PUT" })).text()).toContain("Use POST for /v1/rankings.");
  await running.stop();
  running = await startScripted((res) => sendJson(res, {}));
  expect((await ask(running)).status).toBe(404);
});

test("names and paths are their own", () => {
  expect(new Set(endpoints.map(({ name }) => name)).size).toBe(endpoints.length);
  expect(new Set(endpoints.map(({ path }) => path)).size).toBe(endpoints.length);
});
