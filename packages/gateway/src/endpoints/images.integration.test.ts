import { afterEach, describe, expect, test } from "vitest";
import { sendEvents, sendJson, startScripted, type Scripted } from "../testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

const usage = {
  input_tokens: 20,
  input_tokens_details: { text_tokens: 12, image_tokens: 8 },
  output_tokens: 272,
  total_tokens: 292,
};
const picture = "aGVsbG8=";
const ask = ({ url }: Scripted, body: object | string, path = "generations", headers: Record<string, string> = {}) =>
  fetch(`${url}/images/${path}`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", ...headers },
    body: typeof body === "string" ? body : JSON.stringify({ model: "gpt-image-2", prompt: "a cat", ...body }),
  });

describe.each(["generations", "edits"])("images/%s", (path) => {
  test.each([
    [usage, { input: 12, image_input: 8, image_output: 272 }],
    [
      { ...usage, output_tokens_details: { image_tokens: 200, text_tokens: 72 } },
      { image_output: 200, output: 72 },
    ],
    [
      { input_tokens: 20, output_tokens: 272, total_tokens: 292 },
      { input: 20, image_output: 272 },
    ],
  ])("is captured by its usage %j", async (stated, units) => {
    const answer = { created: 1, data: [{ b64_json: picture }], usage: stated };
    running = await startScripted((res) => sendJson(res, answer));
    expect(await (await ask(running, {}, path)).json()).toEqual(answer);
    expect(running.settlements).toMatchObject([{ outcome: "captured", basis: "exact", usage: units }]);
    expect(running.holds).toMatchObject([{ endpoint: `images.${path}`, hasOutput: false }]);
  });

  test("streamed is captured by the usage of its last event, behind partial images of any size", async () => {
    const kind = path === "edits" ? "image_edit" : "image_generation";
    const event = (type: string, rest: object) =>
      `event: ${kind}.${type}\ndata: ${JSON.stringify({ type: `${kind}.${type}`, ...rest })}\n\n`;
    const events = [
      event("partial_image", { partial_image_index: 0, b64_json: picture }),
      event("partial_image", { partial_image_index: 1, b64_json: "x".repeat(300_000) }),
      event("completed", { b64_json: "y".repeat(300_000), usage }),
    ];
    running = await startScripted((res) => sendEvents(res, events));
    const answer = await ask(running, { stream: true, partial_images: 2 }, path);
    expect(await answer.text()).toBe(events.join(""));
    expect(running.settlements).toMatchObject([
      { outcome: "captured", basis: "exact", isStream: true, usage: { input: 12, image_input: 8, image_output: 272 } },
    ]);
  });

  test("that breaks off behind a partial image is charged for what came, and the client hears of it", async () => {
    const event = `data: ${JSON.stringify({ type: "image_generation.partial_image", b64_json: picture })}\n\n`;
    running = await startScripted((res) => sendEvents(res, [event], { thenDestroy: true }));
    await expect((await ask(running, { stream: true }, path)).text()).rejects.toThrow();
    expect(running.settlements).toMatchObject([{ outcome: "captured", basis: "observed", usage: { output: 100 } }]);
  });

  test("of which nobody says what it used is counted by its images, within what is held for", async () => {
    running = await startScripted((res) => sendJson(res, { data: [{ url: "https://x" }, { url: "https://y" }] }));
    await ask(running, { n: 2 }, path);
    expect(running.settlements).toMatchObject([{ basis: "estimate", usage: { output: 10_000 } }]);
  });
});

test.each([
  [{}, 7_000],
  [{ n: 3 }, 21_000],
  [{ quality: "low" }, 2_000],
  [{ quality: "low", size: "3072x2048" }, 8_000],
  [{ quality: "max" }, 50_000],
  [{ quality: "high", size: "enormous" }, 50_000],
  [{ partial_images: 3 }, 7_300],
])("for %j so many tokens are held for, and all of them: %s", async (body, tokens) => {
  running = await startScripted((res) => sendJson(res, { data: [], usage }));
  await ask(running, body);
  expect(running.holds[0]!.bound).toMatchObject({ extraOutputTokens: tokens, choices: 1 });
  expect(running.holds[0]!.bound.otherClasses).toContain("image_output");
});

test.each([
  ["SVG", { output_format: "svg" }, "SVG is not offered"],
  ["no image", { n: 0 }, "n must be from 1"],
  ["eleven images", { n: 11 }, "n must be from 1"],
  ["a stored file", { images: [{ file_id: "file-1" }] }, "Stored files are not offered"],
  ["a stored mask", { images: [{ image_url: "data:image/png;base64,x" }], mask: { file_id: "f" } }, "Stored files"],
  ["a quality that is no text", { quality: 7 }, "quality must be"],
  ["two sizes", '{"model":"m","prompt":"x","size":"auto","size":"3840x2160"}', "stands twice"],
])("%s is refused in a sentence, and nobody is asked", async (_, body, words) => {
  running = await startScripted((res) => sendJson(res, {}));
  const answer = await ask(running, body, "edits");
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { error: { message: string } }).error.message).toContain(words);
  expect([running.holds, running.bodies]).toEqual([[], []]);
});

test("a form is refused in a sentence that says what to send", async () => {
  running = await startScripted((res) => sendJson(res, {}));
  const answer = await ask(running, "--x--", "edits", { "content-type": "multipart/form-data; boundary=x" });
  expect(answer.status).toBe(415);
  expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining("Send JSON") as string } });
  expect([running.holds, running.bodies]).toEqual([[], []]);
});
