/** Every refusal the gateway can answer with: one table of statuses, types and codes, in OpenAI's shape. */
import type { ClientKind } from "./client-kind.ts";
import type { RefusalCode } from "./ports.ts";

export type ErrorCode =
  | RefusalCode
  | "idempotency_key_in_use"
  | "idempotency_key_spent"
  | "idempotency_key_reused"
  | "unknown_url"
  | "endpoint_ended"
  | "upgrade_required"
  | "invalid_body"
  | "body_too_large"
  | "body_too_slow"
  | "unsupported_encoding"
  | "upstream_timeout"
  | "upstream_failed";

type Row = { status: number; type: string; code: string | null; message: string; mayRetry: boolean };

const row = (status: number, type: string, code: string | null, message: string, mayRetry = false): Row => ({
  status,
  type,
  code,
  message,
  mayRetry,
});

const invalid = "invalid_request_error";
const server = "server_error";

export const errorTable: Readonly<Record<ErrorCode, Row>> = {
  invalid_api_key: row(401, invalid, "invalid_api_key", "Incorrect API key provided."),
  user_suspended: row(403, "permission_error", "user_suspended", "This account is suspended."),
  key_disabled: row(403, "permission_error", "key_disabled", "This API key is disabled."),
  key_expired: row(403, "permission_error", "key_expired", "This API key has expired."),
  address_not_allowed: row(403, "permission_error", "address_not_allowed", "This API key may not be used from here."),
  endpoint_not_allowed: row(403, "permission_error", "endpoint_not_allowed", "This API key may not use this endpoint."),
  model_not_allowed: row(403, "permission_error", "model_not_allowed", "This API key may not use this model."),
  credit_balance_exhausted: row(
    429,
    "insufficient_quota",
    "credit_balance_exhausted",
    "Your balance does not cover this request.",
  ),
  project_spend_limit_exceeded: row(
    429,
    "insufficient_quota",
    "project_spend_limit_exceeded",
    "The budget of this API key is used up.",
  ),
  rate_limit_exceeded: row(429, "rate_limit_exceeded", "rate_limit_exceeded", "Too many requests.", true),
  model_not_found: row(404, invalid, "model_not_found", "The model does not exist."),
  // To a client it is a model that is not here; Codex then shows the sentence, and nothing else.
  model_not_priced: row(404, invalid, "model_not_found", "The model has no price here, so it cannot be used."),
  service_tier_not_priced: row(
    400,
    invalid,
    "service_tier_not_priced",
    "The model has no price for this service tier here, so it cannot be used.",
  ),
  response_not_found: row(404, invalid, "previous_response_not_found", "The previous response does not exist."),
  resource_not_found: row(404, invalid, null, "There is nothing of this id."),
  resource_limit_reached: row(
    400,
    invalid,
    "resource_limit_reached",
    "There are too many of these. Delete some first.",
  ),
  charge_not_found: row(404, invalid, "charge_not_found", "The charge does not exist."),
  service_unavailable: row(503, server, "service_unavailable", "The gateway cannot take requests right now.", true),
  upstream_unavailable: row(503, server, "upstream_unavailable", "The model provider cannot be used right now.", true),
  idempotency_key_in_use: row(
    409,
    invalid,
    "idempotency_key_in_use",
    "A call with this Idempotency-Key is still under way.",
    true,
  ),
  idempotency_key_spent: row(
    409,
    invalid,
    "idempotency_key_spent",
    "The call with this Idempotency-Key was charged, and its answer is not kept.",
  ),
  idempotency_key_reused: row(
    400,
    invalid,
    "idempotency_key_reused",
    "This Idempotency-Key was used for another call.",
  ),
  unknown_url: row(404, invalid, "unknown_url", "Unknown request URL."),
  endpoint_ended: row(410, invalid, "endpoint_ended", "OpenAI has ended this endpoint."),
  // Whoever wanted a WebSocket takes that as a word to come again by HTTP, at once.
  upgrade_required: row(426, invalid, "upgrade_required", "WebSockets are not offered here. Use HTTP."),
  invalid_body: row(400, invalid, null, "The body is not valid."),
  body_too_large: row(413, invalid, null, "The body is too large."),
  unsupported_encoding: row(415, invalid, null, "Send the body without a Content-Encoding."),
  body_too_slow: row(408, invalid, null, "The body arrives too slowly."),
  upstream_timeout: row(504, server, "upstream_timeout", "The model provider did not answer in time.", true),
  upstream_failed: row(502, server, "upstream_failed", "The model provider's answer broke off.", true),
};

export type ErrorAnswer = { status: number; headers: Record<string, string>; body: Uint8Array; errorCode: ErrorCode };

type ErrorDetails = {
  message?: string;
  param?: string | null;
  /** In place of the table's, where an upstream's own is kept. */
  status?: number;
  code?: string;
  retryAfterMs?: number;
  resetsAtMs?: number;
  exhausted?: "requests" | "tokens";
  client?: ClientKind;
};

/**
 * The answer for a refusal. SDKs retry 408, 409, 429 and 5xx by themselves, so one that cannot succeed says
 * `x-should-retry: false`; `retryAfterMs` says when one can.
 */
export function errorAnswer(errorCode: ErrorCode, requestId: string, details: ErrorDetails = {}): ErrorAnswer {
  const row = errorTable[errorCode];
  const { message = row.message, param = null, code = row.code, retryAfterMs, resetsAtMs, exhausted, client } = details;
  const isUsedUp = row.type === "insufficient_quota";
  // opencode asks again for half a minute where it sees a 429, and shows a 402 at once.
  const status = client === "opencode" && isUsedUp ? 402 : (details.status ?? row.status);
  const headers: Record<string, string> = { "content-type": "application/json", "x-request-id": requestId };
  if (!row.mayRetry) headers["x-should-retry"] = "false";
  if (row.mayRetry && (retryAfterMs !== undefined || status === 503)) {
    const waitMs = retryAfterMs ?? 1_000;
    headers["retry-after"] = String(Math.ceil(waitMs / 1_000));
    headers["retry-after-ms"] = String(waitMs);
  }
  if (exhausted) {
    headers[`x-ratelimit-remaining-${exhausted}`] = "0";
    headers[`x-ratelimit-reset-${exhausted}`] = `${retryAfterMs ?? 0}ms`;
  }
  if (errorCode === "upgrade_required") headers.upgrade = "HTTP/1.1";
  const error: Record<string, unknown> = { message, type: row.type, param, code };
  if (client === "codex" && resetsAtMs !== undefined) {
    // Codex shows its page of used-up limits for this type alone, with the time.
    error.type = "usage_limit_reached";
    error.resets_at = Math.floor(resetsAtMs / 1_000);
  }
  return { status, headers, body: writeError(error), errorCode };
}

export const writeError = (error: object): Uint8Array => Buffer.from(JSON.stringify({ error }));
