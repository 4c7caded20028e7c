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
  expect(upstreamHeaders(client, upstream)).toEqual({
    authorization: "Bearer sk-operator",
    "accept-encoding": "identity",
    "openai-organization": "org-1",
    "content-type": "application/json",
    "x-stainless-lang": "js",
    "x-codex-turn-state": "t",
  });
});

test("only betas that can be metered pass, one by one", () => {
  const headers = upstreamHeaders({ "openai-beta": "realtime=v1, responses=experimental" }, upstream);
  expect(headers["openai-beta"]).toBe("responses=experimental");
  expect(upstreamHeaders({ "openai-beta": "assistants=v2" }, upstream)).not.toHaveProperty("openai-beta");
});

test("the client sees no cookie, no organization and no rate limit of the upstream, and the gateway's request id", () => {
  const answer = {
    "content-type": "application/json",
    "set-cookie": ["a=1", "b=2"],
    "openai-organization": "org-1",
    "x-ratelimit-remaining-tokens": "1",
    "x-request-id": "req_upstream",
    "openai-processing-ms": "12",
    "x-codex-primary-used-percent": "3",
  };
  expect(clientHeaders(answer, "own-id", null)).toEqual({
    "content-type": "application/json",
    "openai-processing-ms": "12",
    "x-codex-primary-used-percent": "3",
    "x-request-id": "own-id",
  });
});
