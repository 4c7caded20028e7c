import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { clientKind } from "./client-kind.ts";
import { errorAnswer, errorTable, type ErrorCode } from "./errors.ts";

async function sdkErrorOf(code: ErrorCode): Promise<{ error: InstanceType<typeof OpenAI.APIError>; calls: number }> {
  let calls = 0;
  const client = new OpenAI({
    apiKey: "sk-test",
    baseURL: "http://gateway.test/v1",
    fetch: () => {
      calls++;
      const { status, headers, body } = errorAnswer(code, "req-1", { retryAfterMs: 1 });
      return Promise.resolve(new Response(Buffer.from(body), { status, headers }));
    },
  });
  const error = await client.models.list().then(
    () => expect.fail("the SDK took an error for an answer"),
    (reason: unknown) => reason as InstanceType<typeof OpenAI.APIError>,
  );
  return { error, calls };
}

const sdkClasses: Record<number, unknown> = {
  408: OpenAI.APIError,
  400: OpenAI.BadRequestError,
  401: OpenAI.AuthenticationError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  409: OpenAI.ConflictError,
  410: OpenAI.APIError,
  413: OpenAI.APIError,
  415: OpenAI.APIError,
  426: OpenAI.APIError,
  429: OpenAI.RateLimitError,
  502: OpenAI.InternalServerError,
  503: OpenAI.InternalServerError,
  504: OpenAI.InternalServerError,
};

describe.each(Object.keys(errorTable) as ErrorCode[])("%s", (code) => {
  test("is the right exception of the official SDK, with its code, type and request id", async () => {
    const { error } = await sdkErrorOf(code);
    const { status, type, code: publicCode } = errorTable[code];
    expect(error).toBeInstanceOf(sdkClasses[status]);
    expect(error).toMatchObject({ status, type, code: publicCode, requestID: "req-1" });
  });

  test("is retried by the SDK only where a retry can succeed", async () => {
    const { calls } = await sdkErrorOf(code);
    expect(calls).toBe(errorTable[code].mayRetry ? 3 : 1);
  });
});

const bodyOf = (answer: { body: Uint8Array }) => JSON.parse(Buffer.from(answer.body).toString()) as { error: object };

describe("clients that understand a refusal by another word", () => {
  const resetsAtMs = Date.UTC(2026, 11, 1);
  test("Codex hears that a budget is used up, and until when", () => {
    const answer = errorAnswer("project_spend_limit_exceeded", "req-1", { client: "codex", resetsAtMs });
    expect(answer.status).toBe(429);
    expect(bodyOf(answer).error).toMatchObject({ type: "usage_limit_reached", resets_at: resetsAtMs / 1_000 });
    const other = errorAnswer("project_spend_limit_exceeded", "req-1", { client: "other", resetsAtMs });
    expect(bodyOf(other).error).toEqual({
      message: "The budget of this API key is used up.",
      type: "insufficient_quota",
      param: null,
      code: "project_spend_limit_exceeded",
    });
  });

  test("opencode hears 402 for what is used up, and 429 for what is only too fast", () => {
    const statusOf = (code: ErrorCode) => errorAnswer(code, "req-1", { client: "opencode" }).status;
    expect(statusOf("credit_balance_exhausted")).toBe(402);
    expect(statusOf("project_spend_limit_exceeded")).toBe(402);
    expect(statusOf("rate_limit_exceeded")).toBe(429);
  });

  test.each([
    [{ originator: "codex_exec" }, "codex"],
    [{ originator: "codex_cli_rs", "user-agent": "opencode/1.0" }, "codex"],
    [{ "user-agent": "opencode/1.2.3 ai-sdk/provider-utils" }, "opencode"],
    [{ "user-agent": "ai-sdk/openai opencode/1.2.3" }, "opencode"],
    [{ originator: "not codex", "user-agent": "curl/8" }, "other"],
    [{}, "other"],
  ])("%o is %s", (headers, kind) => {
    expect(clientKind(headers)).toBe(kind);
  });
});

test("a limit of the gateway's own says which one it is, and when it is free again", () => {
  const { headers } = errorAnswer("rate_limit_exceeded", "req-1", { retryAfterMs: 1_500, exhausted: "tokens" });
  expect(headers).toMatchObject({
    "retry-after": "2",
    "retry-after-ms": "1500",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "1500ms",
  });
});
