import { afterEach, describe, expect, test } from "vitest";
import { startScripted, type Scripted } from "../testing/scripted.ts";
import { createWebDoor } from "./fetch.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
const delta = event({ choices: [{ index: 0, delta: { content: "word" } }] });
const streamed = delta.repeat(50) + event({ choices: [], usage }) + "data: [DONE]\n\n";
const whole = JSON.stringify({ choices: [{ message: { content: "x".repeat(1_000_000) } }], usage });

/** A call whose answer is dropped, as a framework drops it whose client has left; `leave` closes its connection. */
async function ask(up: Scripted, isStream: boolean) {
  const closed = new AbortController();
  const body = JSON.stringify({
    model: "gpt-4o-mini",
    stream: isStream,
    messages: [{ role: "user", content: "Hello" }],
  });
  const headers = { authorization: "Bearer sk-good", "content-type": "application/json" };
  const request = new Request("http://gateway/v1/chat/completions", { method: "POST", headers, body });
  const answered = createWebDoor(up.gateway)(request, { remoteAddress: "", closeSignal: closed.signal });
  return { answered, leave: () => closed.abort() };
}

const start = (isStream: boolean, ports: Parameters<typeof startScripted>[1]) =>
  startScripted((res) => {
    res.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
    res.end(isStream ? streamed : whole);
  }, ports);

describe.each([
  ["a stream that is read on for its usage", true, { drainsOnDisconnect: () => true }],
  ["a stream", true, {}],
  ["a large whole answer", false, {}],
])("%s that nobody reads", (_what, isStream, ports) => {
  test("ends when its client leaves", async () => {
    running = await start(isStream, ports);
    const { answered, leave } = await ask(running, isStream);
    await answered;
    leave();
    await expect.poll(() => running?.gateway.inFlight(), { timeout: 5_000 }).toBe(0);
    expect(running.settlements).toMatchObject([{ outcome: "captured" }]);
  });

  test("ends where its client had left before it began", async () => {
    running = await start(isStream, ports);
    const { answered, leave } = await ask(running, isStream);
    await expect.poll(() => running?.bodies.length, { timeout: 5_000 }).toBe(1);
    leave();
    await answered;
    await expect.poll(() => running?.gateway.inFlight(), { timeout: 5_000 }).toBe(0);
    expect(running.settlements).toHaveLength(1);
  });
});
