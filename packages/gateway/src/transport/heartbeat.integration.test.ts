import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createHeartbeat } from "./heartbeat.ts";
import { startScripted, type Scripted } from "../testing/scripted.ts";
import { createWebDoor } from "../adapters/fetch.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

const comment = ": keep-alive\n\n";
const event = 'event: keepalive\ndata: {"type":"keepalive"}\n\n';
const textOf = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString();

test("it is due after a silence, and then after the next one", () => {
  const heartbeat = createHeartbeat(0, { isResponses: false, isEarly: false, everyMs: 100 });
  expect([99, 100, 150, 200].map((nowMs) => textOf(heartbeat.due(nowMs)))).toEqual([null, comment, null, comment]);
});

test("on responses it is an event, which no comment of the upstream's puts off", () => {
  const heartbeat = createHeartbeat(0, { isResponses: true, isEarly: false, everyMs: 100 });
  expect(textOf(heartbeat.due(100))).toBe(comment);
  heartbeat.note(110, true);
  heartbeat.note(200, false);
  expect(textOf(heartbeat.due(210))).toBe(event);
});

const upstreamSaid = 'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1"}}\n\n';
const request = { method: "POST", headers: { authorization: "Bearer sk-good" }, body: '{"model":"m","stream":true}' };

/** An upstream that says one thing, and from then on sends comments alone. */
const startQuiet = (first: string) =>
  startScripted(
    (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).write(first);
      const comments = setInterval(() => res.write(": still here\n\n"), 10);
      res.once("close", () => clearInterval(comments));
    },
    {},
    { heartbeatMs: 60 },
    { sweepMs: 10 },
  );

async function readUntil(response: Response, wanted: string): Promise<string> {
  let text = "";
  const reader = response.body!.getReader();
  while (!text.includes(wanted)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  await reader.cancel();
  return text;
}

describe.each(["node", "web"])("through the %s door", (door) => {
  const post = (up: Scripted, path: string, headers = {}) => {
    const init = { ...request, headers: { ...request.headers, ...headers } };
    if (door === "node") return fetch(up.url + path, init);
    const client = { remoteAddress: "", closeSignal: new AbortController().signal };
    return createWebDoor(up.gateway, { sweepMs: 10 })(new Request(`http://gateway/v1${path}`, init), client);
  };

  test("a silent response still sends events, behind its first one", async () => {
    running = await startQuiet(upstreamSaid);
    const text = await readUntil(await post(running, "/responses"), event);
    expect(text.replaceAll(": still here\n\n", "")).toBe(upstreamSaid + event);
  });

  test("Codex gets events also before the first one", async () => {
    running = await startQuiet(": hello\n\n");
    expect(await readUntil(await post(running, "/responses", { originator: "codex_exec" }), event)).toContain(event);
  });

  test("a silent chat sends comments", async () => {
    running = await startScripted(
      (res) => res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
      {},
      { heartbeatMs: 30 },
      { sweepMs: 10 },
    );
    expect(await readUntil(await post(running, "/chat/completions"), comment)).toBe(comment);
  });
});

test("a reader that takes nothing for a while is turned out", async () => {
  running = await startScripted(
    (res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      const flood = () => {
        while (!res.destroyed) {
          if (!res.write(`data: {"choices":[{"delta":{"content":"${"x".repeat(60_000)}"}}]}\n\n`)) {
            res.once("drain", flood);
            return;
          }
        }
      };
      flood();
    },
    {},
    {},
    { sweepMs: 10, stallMs: 200 },
  );
  const { hostname, port } = new URL(running.url);
  const client = connect(Number(port), hostname).pause();
  client.on("error", () => undefined);
  client.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-good\r\ncontent-length: ${request.body.length}\r\n\r\n${request.body}`,
  );
  await expect.poll(() => running!.settlements, { timeout: 3_000 }).toMatchObject([{ outcome: "captured" }]);
  client.destroy();
});
