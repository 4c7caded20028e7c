/** What each shape of an answer is captured as: the units that its cost is computed from, exactly. */
import { afterEach, describe, expect, test } from "vitest";
import { sendJson, startScripted, type Scripted } from "../testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

async function settle(path: string, body: object, answer: object) {
  running = await startScripted((res) => sendJson(res, answer));
  const response = await fetch(`${running.url}/${path}`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good" },
    body: JSON.stringify({ model: "m", ...body }),
  });
  expect(await response.json()).toEqual(answer);
  expect(running.settlements).toHaveLength(1);
  return running;
}

const usage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40, cache_write_tokens: 10 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 3 },
  total_tokens: 107,
};

describe("a compaction", () => {
  const item = { type: "compaction", id: "cmp_1", encrypted_content: "abc" };
  const compaction = { id: "resp_1", object: "response.compaction", output: [item], usage };

  test("is captured by its own usage", async () => {
    const { settlements } = await settle("responses/compact", { input: "long" }, compaction);
    expect(settlements).toMatchObject([
      { outcome: "captured", basis: "exact", usage: { input: 50, cached_input: 40, cache_write_30m: 10, output: 7 } },
    ]);
  });

  test("does not pay again for the searches among the items that it keeps", async () => {
    const search = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search" } };
    const kept = { ...compaction, output: [search, search, item] };
    const { settlements } = await settle("responses/compact", { input: [search] }, kept);
    expect(settlements[0]).toMatchObject({ usage: { input: 50, cached_input: 40, cache_write_30m: 10, output: 7 } });
    expect(Object.keys((settlements[0] as { usage: object }).usage)).not.toContain("web_search_call");
  });

  test("holds for less than a model may write, and its body goes upstream as it came", async () => {
    const { holds, bodies } = await settle("responses/compact", { input: "x".repeat(200_000) }, compaction);
    expect(holds[0]).toMatchObject({ endpoint: "responses.compact", hasOutput: false });
    expect(holds[0]!.bound.extraOutputTokens).toBe(Math.ceil(holds[0]!.bound.inputTokens / 16));
    expect(bodies[0]).not.toContain("max_output_tokens");
  });

  test("may use a key that may use responses", async () => {
    const endpoints: (string | null)[] = [];
    running = await startScripted((res) => sendJson(res, compaction), {
      authenticate: ({ endpoint }) => {
        endpoints.push(endpoint);
        return { refused: "endpoint_not_allowed" };
      },
    });
    await fetch(`${running.url}/responses/compact`, { method: "POST", headers: { authorization: "Bearer sk-good" } });
    expect(endpoints).toEqual(["responses"]);
  });
});

describe("decisions", () => {
  test("are captured by all of their input, cached or not, and by nothing that comes out", async () => {
    const answer = { model: "m", answers: [{ type: "predicate", name: null, probability: 0.5 }], usage };
    const { settlements, holds } = await settle("decisions", { input: "x", questions: [] }, answer);
    expect(settlements).toMatchObject([{ outcome: "captured", basis: "exact", usage: { input: 100 } }]);
    expect((settlements[0] as { usage: Record<string, number> }).usage.output ?? 0).toBe(0);
    expect(holds).toMatchObject([{ endpoint: "decisions", hasOutput: false }]);
  });

  test("without a usage are captured by what was asked", async () => {
    const answer = { model: "m", answers: [], data: [] };
    const { settlements } = await settle("decisions", { input: "hello there", questions: [] }, answer);
    expect(settlements[0]).toMatchObject({ basis: "estimate", flags: ["no_usage"] });
    expect((settlements[0] as { usage: Record<string, number> }).usage.input).toBeGreaterThan(1);
  });
});

describe("a chat completion", () => {
  const answer = {
    id: "chatcmpl-1",
    choices: [{ message: { content: "hi" } }],
    usage: { prompt_tokens: 3, completion_tokens: 1 },
  };

  test.each([
    [{ store: true }, "chat_completion"],
    [{ store: false }, null],
    [{ store: null }, null],
    [{}, null],
  ])("with %j is stored as %s", async (body, stores) => {
    const { holds } = await settle("chat/completions", { messages: [], ...body }, answer);
    expect(holds[0]!.stores).toBe(stores);
  });

  test("with a store that is no switch is refused", async () => {
    running = await startScripted((res) => sendJson(res, answer));
    const response = await fetch(`${running.url}/chat/completions`, {
      method: "POST",
      headers: { authorization: "Bearer sk-good" },
      body: '{"model":"m","messages":[],"store":"yes"}',
    });
    expect([response.status, running.bodies]).toEqual([400, []]);
  });
});
