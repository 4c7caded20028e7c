import { describe, expect, test } from "vitest";
import { endpoints } from "../endpoints/index.ts";
import { scanBody } from "./scan-body.ts";

function read(name: string, text: string) {
  const endpoint = endpoints.find((each) => each.name === name)!;
  const body = scanBody(Buffer.from(text), endpoint.shape);
  return { ...endpoint.readRequest(body), findings: body.findings };
}
const readOf = (name: string, body: object) => read(name, JSON.stringify({ model: "m", ...body }));
const user = (content: unknown) => ({ role: "user", content });
const nameOf = (body: object) => ("messages" in body ? "chat.completions" : "responses");

describe("what others of the operator's organisation have stored is refused, wherever a pointer at it may stand", () => {
  test.each([
    ["a file", { input: [{ type: "input_file", file_id: "file-1" }] }],
    ["a file in a message", { input: [user([{ type: "input_file", file_id: "file-1" }])] }],
    ["a picture", { input: [user([{ type: "input_image", file_id: "file-1" }])] }],
    ["a file of a chat", { messages: [user([{ type: "file", file: { file_id: "file-1" } }])] }],
    ["a picture of a chat", { messages: [user([{ type: "image_url", image_url: { file_id: "file-1" } }])] }],
    ["a screenshot", { input: [{ type: "computer_call_output", output: { file_id: "file-1" } }] }],
    ["a tool's answer", { input: [{ type: "function_call_output", output: [{ file_id: "file-1" }] }] }],
    ["a part of a kind that nobody knows", { input: [user([{ type: "input_hologram", hologram: { file_id: "f" } }])] }],
    ["a member that nobody knows", { attachments: [{ file_id: "file-1" }] }],
    ["one at the top", { file_ids: ["file-1"] }],
    ["a mask", { tools: [{ type: "image_generation", input_image_mask: { file_id: "file-1" } }] }],
    ["files of a container", { tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: ["f"] } }] }],
    ["files of a shell", { tools: [{ type: "shell", environment: { type: "container_auto", file_ids: ["f"] } }] }],
    ["a skill", { tools: [{ type: "shell", environment: { skills: [{ type: "skill_reference", skill_id: "s" }] } }] }],
    ["a vector store", { tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }] }],
    [
      "one in a namespace",
      { tools: [{ type: "namespace", tools: [{ type: "file_search", vector_store_ids: ["v"] }] }] },
    ],
    ["one that is found later", { input: [{ type: "tool_search_output", tools: [{ vector_store_ids: ["vs_1"] }] }] }],
    ["one in an object", { tools: [{ type: "file_search", vector_store_ids: { 0: "vs_1" } }] }],
    ["a container", { tools: [{ type: "code_interpreter", container: "cntr_1" }] }],
    [
      "a shell's container",
      { tools: [{ type: "shell", environment: { type: "container_reference", container_id: "c" } }] },
    ],
    [
      "a container that an earlier call ran in",
      {
        tools: [{ type: "code_interpreter" }],
        input: [{ type: "code_interpreter_call", id: "ci_1", container_id: "c" }],
      },
    ],
    ["an item", { input: [{ type: "item_reference", id: "msg_1" }] }],
    ["an item that says nothing else", { input: [{ id: "msg_1" }] }],
    ["a picture by its call", { input: [{ type: "image_generation_call", id: "ig_1" }] }],
    ["a prompt", { prompt: { id: "pmpt_1", variables: { x: "y" } } }],
    ["sound of an earlier answer", { messages: [{ role: "assistant", audio: { id: "audio_1" } }] }],
    ["a voice", { messages: [], audio: { voice: { id: "voice_1" }, format: "mp3" } }],
    ["a background response", { background: true }],
  ])("%s", (_what, body) => {
    expect(() => readOf(nameOf(body), body)).toThrow(/not offered/);
  });

  test("in any spelling of its name, and whatever stands around it", () => {
    for (const name of [
      "file\\u005fid",
      "\\u0066\\u0069\\u006c\\u0065\\u005f\\u0069\\u0064",
      "File_ID",
      "f\\u0130le_id",
      "fi\\u006Ce_id",
    ]) {
      const text = `{"metadata":{"image_url":"x"},"input":[{"content":[{"${name}":"file-1"}]}],"model":"m"}`;
      const isName = (JSON.parse(`"${name}"`) as string).toLowerCase() === "file_id";
      if (isName) expect(() => read("responses", text)).toThrow(/not offered/);
      else expect(() => read("responses", text)).not.toThrow();
    }
    expect(() => read("responses", '{"model":"m","input":[{"type":"item\\u005freference","id":"msg_1"}]}')).toThrow(
      /not offered/,
    );
  });

  test("null points at nothing", () => {
    const part = { type: "input_image", image_url: "https://x.example/a.png", file_id: null };
    expect(
      readOf("responses", { input: [user([part])], conversation: null, prompt: null }).findings.pictures,
    ).toHaveLength(1);
  });
});

describe("where a client may write what it likes, nothing is looked for", () => {
  const looksLikeIt = {
    image_url: "x",
    file_id: "x",
    file_url: "x",
    url: "x",
    audio: { id: "x" },
    vector_store_ids: ["x"],
  };
  const nothing = { pictures: [], remotes: 0, inline: [] };
  test.each([
    ["metadata", { metadata: looksLikeIt }],
    ["a schema of the answer", { text: { format: { type: "json_schema", schema: { properties: looksLikeIt } } } }],
    ["a tool's parameters", { tools: [{ type: "function", name: "f", parameters: { properties: looksLikeIt } }] }],
    ["a custom tool's format", { tools: [{ type: "custom", name: "f", format: looksLikeIt }] }],
    ["a search's filters", { tools: [{ type: "file_search", vector_store_ids: [], filters: looksLikeIt }] }],
    ["a call's arguments", { input: [{ type: "tool_search_call", id: "t", arguments: looksLikeIt }] }],
    [
      "what was listed",
      { input: [{ type: "mcp_list_tools", id: "m", tools: [{ name: "f", input_schema: looksLikeIt }] }] },
    ],
    [
      "a quotation",
      { input: [{ role: "assistant", content: [{ type: "output_text", text: "", annotations: [looksLikeIt] }] }] },
    ],
    ["a text that looks like it", { input: 'say "file_id": "x"' }],
  ])("%s", (_what, body) => {
    expect(readOf("responses", body).findings).toMatchObject(nothing);
  });
  test.each([
    ["a tool's parameters", { tools: [{ type: "function", function: { name: "f", parameters: looksLikeIt } }] }],
    ["a call's arguments", { messages: [{ role: "assistant", tool_calls: [{ id: "c", function: looksLikeIt }] }] }],
    ["a schema of the answer", { response_format: { type: "json_schema", json_schema: { schema: looksLikeIt } } }],
    ["old functions", { functions: [{ name: "f", parameters: looksLikeIt }] }],
  ])("%s, in a chat", (_what, body) => {
    expect(readOf("chat.completions", body).findings).toMatchObject(nothing);
  });
});

describe("a member that decides something is read once", () => {
  test.each([
    '{"model":"m","input":[{"content":[{"image_url":"https://x.example/a.png","image_url":"data:,"}]}]}',
    '{"model":"m","input":[{"content":[{"image_url":"https://x.example/a.png","image\\u005furl":"data:,"}]}]}',
    '{"model":"m","input":[{"content":[{"image_url":"https://x.example/a.png","IMAGE_URL":"data:,"}]}]}',
    '{"model":"m","input":[{"content":"a","content":[]}]}',
    '{"model":"m","input":[{"type":"reasoning","type":"item_reference","id":"x"}]}',
    '{"model":"m","input":[{"content":[{"detail":"low","detail":"high","image_url":"data:,"}]}]}',
    '{"model":"m","tools":[{"type":"function","type":"web_search"}]}',
    '{"model":"m","tools":[{"type":"function","t\\u0079pe":"web_search"}]}',
    '{"model":"m","tools":[{"type":"code_interpreter","container":{"memory_limit":"1g","memory_limit":"64g"}}]}',
    '{"model":"m","tools":[],"tools":[{"type":"web_search"}]}',
    '{"model":"m","prompt_cache_options":{"ttl":"30m","ttl":"12h"}}',
  ])("%s", (text) => {
    expect(() => read("responses", text)).toThrow(/stands twice/);
  });

  test("what is no more than text may repeat, and an object begins anew", () => {
    read("responses", '{"model":"m","metadata":{"a":1,"a":2},"x":1,"x":2,"input":[{"content":"a"},{"content":"b"}]}');
    read("responses", '{"model":"m","tools":[{"type":"function","parameters":{"type":"a","type":"b"}}]}');
  });
});

test("what is not known passes, and counts as the bytes it has", () => {
  const body = {
    model: "m",
    tomorrow: { deep: ["x".repeat(1_000)], image_url: "x", url: "x" },
    input: [{ type: "telepathy", thought: "y" }],
  };
  expect(readOf("responses", body).bound.inputTokens).toBe(JSON.stringify(body).length);
});
