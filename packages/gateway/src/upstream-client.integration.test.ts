import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Upstream } from "./ports.ts";
import { createUpstreamClient, defaultTimeouts, type UpstreamClient } from "./upstream-client.ts";

let server: Server;
let client: UpstreamClient;
let status = 200;
let nowMs = 0;
beforeEach(async () => {
  server = createServer((req, res) => {
    req.resume();
    res.writeHead(status).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = createUpstreamClient(
    () => nowMs,
    () => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: true }),
  );
});
afterEach(async () => {
  await client.close();
  server.close();
});

const anUpstream = (): Upstream => ({
  id: "upstream-1",
  baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
  apiKey: "sk-operator",
  organization: null,
  project: null,
  weight: 1,
});

/** One call after another, each answered with `answer`. */
async function call(answer: number, times = 1): Promise<void> {
  status = answer;
  const request = { path: "/chat/completions", headers: {}, body: Buffer.from("{}") };
  for (let n = 0; n < times; n++) {
    const sent = await client.dispatch(
      { ...request, isStream: false, stickyKey: "u", upstreamId: null, signal: null },
      [anUpstream()],
    );
    if ("answer" in sent) sent.answer.body.destroy();
  }
}

test("an upstream that fails now and then is not down; one that fails five times in a row is", async () => {
  expect(client.vitals(anUpstream())).toEqual({ fault: null, answeredAtMs: null });
  await call(503, 4);
  expect(client.vitals(anUpstream()).fault).toBeNull();
  await call(200);
  nowMs = 7;
  await call(500, 5);
  expect(client.vitals(anUpstream())).toEqual({
    fault: { reason: "failing", status: 500, failedAtMs: 7 },
    answeredAtMs: 0,
  });
});

test.each([401, 403])(
  "one that answers %i refuses its key, and stays down until a call goes through",
  async (refusal) => {
    await call(refusal);
    const fault = { reason: "key_refused", status: refusal, failedAtMs: nowMs };
    expect(client.vitals(anUpstream()).fault).toEqual(fault);
    nowMs += 60_000;
    expect(client.vitals(anUpstream()).fault).toEqual(fault);
    await call(200);
    expect(client.vitals(anUpstream())).toEqual({ fault: null, answeredAtMs: nowMs });
  },
);
