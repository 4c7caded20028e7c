import { expect, test } from "vitest";
import { endpoints } from "../endpoints/index.ts";
import { scanBody } from "./scan-body.ts";

const factsOf = (name: string, body: object) => {
  const endpoint = endpoints.find((each) => each.name === name)!;
  return endpoint.readRequest(scanBody(Buffer.from(JSON.stringify({ model: "m", ...body })), endpoint.shape));
};
const boundOf = (name: string, body: object) => factsOf(name, body).bound;

test("a body's bytes bound its input, its cap and choices its output", () => {
  const bound = boundOf("chat.completions", { max_tokens: 10, max_completion_tokens: 20, n: 3 });
  expect(bound).toMatchObject({ inputTokens: 62, remoteInputs: 0, hostedCalls: 0, outputTokens: 20, choices: 3 });
});

test("each of several prompts is completed best_of times", () => {
  expect(boundOf("completions", { prompt: ["a", "b"], best_of: 4, n: 2 }).choices).toBe(8);
  expect(boundOf("completions", { prompt: [1, 2, 3] }).choices).toBe(1);
});

test.each([
  ["an earlier response", { previous_response_id: "resp_1" }],
  ["a file's address", { input: [{ type: "input_file", file_url: "https://x.example/a.pdf" }] }],
  ["a file whose text is packed", { input: [{ content: [{ type: "input_file", file_data: "JVBERi0xLjQ=" }] }] }],
  ["the reasoning of an earlier response", { input: [{ type: "reasoning", id: "rs_1", summary: [] }] }],
])("%s is input that is not in the body", (_what, body) => {
  expect(boundOf("responses", body)).toMatchObject({ remoteInputs: 1, hostedCalls: 0 });
});

test("what the provider runs may bring input with each of its calls", () => {
  const tools = [{ type: "mcp", server_label: "x", server_url: "https://x.example" }];
  expect(factsOf("responses", { tools })).toMatchObject({ bound: { hostedCalls: 16, hosted: {} }, toolCallCap: 16 });
  expect(boundOf("responses", { tools, max_tool_calls: 2 }).hostedCalls).toBe(2);
  expect(boundOf("responses", { tools: [{ type: "tool_of_tomorrow" }] }).hostedCalls).toBe(16);
  const nested = { type: "namespace", name: "n", tools: [{ type: "web_search" }] };
  expect(boundOf("responses", { tools: [nested] }).hosted).toEqual({ web_search_call: 16 });
});

test.each([
  { type: "function", name: "f", parameters: { properties: { url: {}, audio: {}, file_url: {}, image_url: {} } } },
  { type: "custom", name: "apply_patch", format: { type: "grammar", definition: "url: x" } },
  { type: "tool_search", execution: "client", parameters: {} },
  { type: "local_shell" },
  { type: "shell", environment: { type: "local" } },
  { type: "apply_patch" },
  { type: "computer_use_preview", display_width: 1, display_height: 1, environment: "linux" },
  { type: "namespace", name: "n", tools: [{ type: "function", name: "f", parameters: { url: "x" } }] },
])("what runs at the client is text: %o", (tool) => {
  const body = { model: "m", tools: [tool] };
  expect(factsOf("responses", body)).toMatchObject({
    bound: { inputTokens: JSON.stringify(body).length, remoteInputs: 0, hostedCalls: 0, hosted: {} },
    toolCallCap: null,
  });
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
  expect(bound).toMatchObject({ hosted: { web_search_call: 1 }, hostedCalls: 1 });
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
  expect(boundOf("responses", { tools: [{ type: "function", name: "f" }] }).hostedCalls).toBe(0);
});

test("a prediction's length is output that no cap covers", () => {
  expect(boundOf("chat.completions", { prediction: { content: "xxxx" } }).extraOutputTokens).toBe(18);
});

test("classes beyond text are told: pictures, sound, and what is kept for twelve hours", () => {
  const sound = { type: "input_audio", input_audio: { data: "x".repeat(4_000), format: "wav" } };
  const picture = { type: "image_url", image_url: { url: "https://x.example/a.png" } };
  const heard = boundOf("chat.completions", {
    messages: [{ content: [sound, picture] }],
    modalities: ["text", "audio"],
  });
  expect(heard.otherClasses).toEqual(["image_input", "audio_input", "audio_output"]);
  expect(boundOf("responses", { prompt_cache_options: { ttl: "12h" } }).otherClasses).toEqual(["cache_write_12h"]);
});

test("sound counts by its length, not by its bytes", () => {
  const sound = (bytes: number) => ({ type: "input_audio", input_audio: { data: "x".repeat(bytes), format: "mp3" } });
  const tokens = (bytes: number) =>
    boundOf("chat.completions", { messages: [{ content: [sound(bytes)] }] }).inputTokens;
  expect(tokens(4_000_000) - tokens(0)).toBeCloseTo(30_000, -1);
});
