import { expect, test } from "vitest";
import { billingKeys } from "./request-facts.ts";
import { endpoints } from "../endpoints/index.ts";
import { scanBody } from "./scan-body.ts";

const factsOf = (name: string, body: object) =>
  endpoints
    .find((endpoint) => endpoint.name === name)!
    .readRequest(scanBody(Buffer.from(JSON.stringify({ model: "m", ...body })), billingKeys));
const boundOf = (name: string, body: object) => factsOf(name, body).bound;

test("a body's bytes bound its input, its cap and choices its output", () => {
  const bound = boundOf("chat.completions", { max_tokens: 10, max_completion_tokens: 20, n: 3 });
  expect(bound).toMatchObject({ inputTokens: 62, isInputRemote: false, outputTokens: 20, choices: 3 });
});

test("each of several prompts is completed best_of times", () => {
  expect(boundOf("completions", { prompt: ["a", "b"], best_of: 4, n: 2 }).choices).toBe(8);
  expect(boundOf("completions", { prompt: [1, 2, 3] }).choices).toBe(1);
});

test("an image counts as the dearest model counts it", () => {
  const content = [{ type: "image_url", image_url: { url: "https://x.example/a.png" } }];
  expect(boundOf("chat.completions", { messages: [{ content }] }).inputTokens).toBeGreaterThan(50_000);
});

test.each([
  ["an earlier response", { previous_response_id: "resp_1" }],
  ["a file's address", { input: [{ type: "input_file", file_url: "https://x.example/a.pdf" }] }],
  ["a hosted tool", { tools: [{ type: "web_search" }] }],
  ["a stored prompt", { prompt: { id: "pmpt_1" } }],
])("%s is input that is not in the body", (_what, body) => {
  expect(boundOf("responses", body).isInputRemote).toBe(true);
});

test("hosted tools are bounded by the client's own cap, or by one that is sent upstream", () => {
  const tools = [{ type: "web_search" }, { type: "code_interpreter", container: { type: "auto", memory_limit: "4g" } }];
  const open = factsOf("responses", { tools });
  expect([open.bound.hosted, open.toolCallCap]).toEqual([{ web_search_call: 16, container_gb: 4 }, 16]);
  const capped = factsOf("responses", { tools, max_tool_calls: 3 });
  expect([capped.bound.hosted, capped.toolCallCap]).toEqual([{ web_search_call: 3, container_gb: 4 }, null]);
  const own = factsOf("responses", { tools: [{ type: "function", name: "f" }, { type: "shell" }] });
  expect([own.bound.hosted, own.toolCallCap]).toEqual([{}, null]);
});

test.each([
  ["by its model", { model: "gpt-4o-search-preview" }],
  ["as it is asked to", { web_search_options: {} }],
])("a chat completion that searches the web (%s) is one search, and reads what it finds", (_why, body) => {
  const { bound, toolCallCap } = factsOf("chat.completions", body);
  expect(bound).toMatchObject({ hosted: { web_search_call: 1 }, isInputRemote: true });
  expect(toolCallCap).toBeNull();
  expect(boundOf("responses", body).hosted).toEqual({});
});

test.each(["code_interpreter", "shell"])("a stored container is refused: nobody here can own it (%s)", (type) => {
  const named = { type: "container_reference", container_id: "cntr_1" };
  const tool = type === "shell" ? { type, environment: named } : { type, container: "cntr_1" };
  expect(() => factsOf("responses", { tools: [tool] })).toThrow(/not offered/);
});

test("the service tier is read as it was asked for", () => {
  expect(boundOf("responses", {}).serviceTier).toBeNull();
  expect(boundOf("responses", { service_tier: "flex" }).serviceTier).toBe("flex");
  expect(() => boundOf("responses", { service_tier: 1 })).toThrow("service_tier");
});

test("a tool of the client's own is not hosted", () => {
  expect(boundOf("responses", { tools: [{ type: "function", name: "f" }] }).isInputRemote).toBe(false);
});

test("a prediction's length is output that no cap covers", () => {
  expect(boundOf("chat.completions", { prediction: { content: "xxxx" } }).extraOutputTokens).toBe(18);
});

test.each([
  ["a stored file", { input: [{ type: "input_file", file_id: "file-1" }] }],
  ["a stored conversation", { conversation: "conv_1" }],
  ["a background response", { background: true }],
])("%s is refused: nobody here can own it", (_what, body) => {
  expect(() => factsOf("responses", body)).toThrow(/not offered/);
});

test("a text that speaks of files is no file", () => {
  expect(() => factsOf("responses", { input: 'say "file_id": "x"' })).not.toThrow();
});
