import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Upstream } from "../ports.ts";
import { createUpstreamClient, defaultTimeouts, type UpstreamClient } from "./upstream-client.ts";

let server: Server;
let client: UpstreamClient;
let status = 200;
let body: object = {};
let nowMs = 0;
beforeEach(async () => {
  server = createServer((req, res) => {
    req.resume();
    res.writeHead(status).end(JSON.stringify(body));
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

/** One call after another, each answered with `answer`. Resolves with how many were sent. */
async function call(answer: number, times = 1, userId = "u"): Promise<number> {
  status = answer;
  const request = {
    method: "POST" as const,
    path: "/chat/completions",
    headers: {},
    body: Buffer.from("{}"),
    added: [],
    bodyWithout: () => Buffer.from("{}"),
  };
  let sent = 0;
  for (let n = 0; n < times; n++) {
    const dispatched = await client.dispatch(
      { ...request, model: "m", isStream: false, userId, upstreamId: null, signal: null },
      [anUpstream()],
    );
    sent += dispatched.attempts.length;
    if ("answer" in dispatched) await dispatched.answer.body.readAll(1_000);
  }
  return sent;
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

const keyRefused = { error: { code: "account_deactivated", type: "invalid_request_error" } };

test.each([
  [401, {}],
  [403, keyRefused],
])("one that answers %i %o refuses its key, and stays down until a call goes through", async (refusal, said) => {
  body = said;
  await call(refusal);
  const fault = { reason: "key_refused", status: refusal, failedAtMs: nowMs };
  expect(client.vitals(anUpstream()).fault).toEqual(fault);
  nowMs += 60_000;
  expect(client.vitals(anUpstream()).fault).toEqual(fault);
  await call(200);
  expect(client.vitals(anUpstream())).toEqual({ fault: null, answeredAtMs: nowMs });
});

test.each([
  [403, "model_not_found"],
  [404, "model_not_found"],
  [401, "key_model_access_denied"],
  [403, "unsupported_country_region_territory"],
  [403, "content_policy_violation"],
  [403, null],
])("a %i that says %s closes nothing for anybody", async (refusal, code) => {
  body = { error: { code, type: "invalid_request_error" } };
  expect(await call(refusal, 20)).toBe(20);
  expect([client.vitals(anUpstream()).fault, client.health(anUpstream())]).toEqual([null, "healthy"]);
});

test.each([429, 500, 503])("what one user runs into (%i) does not keep another one out", async (refusal) => {
  body = { error: { code: null, type: "server_error" } };
  expect(await call(refusal, 20, "one")).toBeLessThan(20);
  expect(await call(200, 1, "another")).toBe(1);
});
