import OpenAI from "openai";
import { describe, expect, test } from "vitest";
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
  413: OpenAI.APIError,
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
