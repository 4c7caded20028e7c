import { expect, test } from "vitest";
import { clientHeaders, upstreamHeaders } from "./headers.ts";

const upstream = {
  id: "u",
  baseUrl: "https://api.example.com/v1",
  apiKey: "sk-operator",
  organization: "org-1",
  project: null,
  weight: 1,
};

test("upstream sees the operator's credentials and nothing that names the client", () => {
  const client = {
    authorization: "Bearer sk-cg-client",
    cookie: "session=1",
    "x-forwarded-for": "10.0.0.1",
    "openai-organization": "org-client",
    "openai-project": "proj-client",
    host: "gateway.example.com",
    connection: "keep-alive",
    "content-type": "application/json",
    "x-stainless-lang": "js",
    "x-codex-turn-state": "t",
  };
  expect(upstreamHeaders(client, upstream, "user")).toEqual({
    authorization: "Bearer sk-operator",
    "accept-encoding": "identity",
    "openai-organization": "org-1",
    "content-type": "application/json",
    "x-stainless-lang": "js",
    "x-codex-turn-state": "t",
  });
});

test("only betas that can be metered pass, one by one", () => {
  const headers = upstreamHeaders({ "openai-beta": "realtime=v1, responses=experimental" }, upstream, "user");
  expect(headers["openai-beta"]).toBe("responses=experimental");
  expect(upstreamHeaders({ "openai-beta": "assistants=v2" }, upstream, "user")).not.toHaveProperty("openai-beta");
});

test("the client sees no cookie, no organization and no rate limit of the upstream, and the gateway's request id", () => {
  const answer = {
    "content-type": "application/json",
    "set-cookie": ["a=1", "b=2"],
    "openai-organization": "org-1",
    "x-ratelimit-remaining-tokens": "1",
    "x-request-id": "req_upstream",
    "openai-processing-ms": "12",
    "x-codex-turn-state": "opaque",
    "x-codex-primary-used-percent": "3",
    "x-codex-bengalfox-primary-used-percent": "3",
    "x-codex-secondary-reset-at": "1",
    "x-codex-credits-balance": "1000",
    "x-codex-plan-type": "pro",
    "x-codex-promo-message": "Buy more",
    "x-codex-rate-limit-reached-type": "primary",
  };
  expect(clientHeaders(answer, "own-id", { allowance: null, outputCapTokens: null })).toEqual({
    "content-type": "application/json",
    "openai-processing-ms": "12",
    "x-codex-turn-state": "opaque",
    "x-request-id": "own-id",
  });
});

test("an idempotency key goes up as one that no other user can have", () => {
  const keyOf = (userId: string) => upstreamHeaders({ "idempotency-key": "1" }, upstream, userId)["idempotency-key"];
  expect(keyOf("a")).toMatch(/^[0-9a-f]{64}$/);
  expect(keyOf("a")).toBe(keyOf("a"));
  expect(keyOf("a")).not.toBe(keyOf("b"));
});

test("the client is told its output cap, what is left of its own minute, and when that is full again", () => {
  const allowance = { requests: { limit: 60, remaining: 30 }, tokens: { limit: 1_000, remaining: 999 } };
  expect(clientHeaders({}, "own-id", { allowance, outputCapTokens: 652 })).toEqual({
    "x-request-id": "own-id",
    "x-codex-gateway-output-cap": "652",
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "30",
    "x-ratelimit-reset-requests": "30000ms",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "999",
    "x-ratelimit-reset-tokens": "60ms",
  });
  const none = clientHeaders({}, "own-id", { allowance: { requests: null, tokens: null }, outputCapTokens: null });
  expect(Object.keys(none)).toEqual(["x-request-id"]);
});
