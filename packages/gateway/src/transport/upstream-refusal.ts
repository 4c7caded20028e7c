/**
 * What an upstream's refusal says, and about whom: its key, the model, or this one request. It is decided by the codes and
 * types that OpenAI writes (https://platform.openai.com/docs/guides/error-codes), never by the status alone: a 403 may
 * mean a model, a region or a policy as well as a key.
 */

export type UpstreamRefusal = {
  about:
    | "key" // the operator's key or account: no call at all will go through
    | "quota" // the operator's account with the provider is used up
    | "model" // the upstream does not offer it to this operator
    | "policy" // the provider does not want this very request
    | "rate"
    | "server"
    | "other";
  /** As it came; empty where it was too large, or broke off. */
  body: Uint8Array;
  /** Whether the body is an error in OpenAI's shape. */
  isReadable: boolean;
};

const keyCodes = new Set([
  "invalid_api_key",
  "incorrect_api_key",
  "invalid_authentication",
  "authentication_error",
  "api_key_disabled",
  "api_key_expired",
  "key_revoked",
  "account_deactivated",
  "organization_deactivated",
  "invalid_organization",
  "mismatched_organization",
  "mismatched_project",
  "project_archived",
  "ip_not_authorized",
  "access_terminated",
  "billing_not_active",
]);
const policyCode = /moderation|content_policy|content_filter|policy_violation|safety|cyber/;

type ErrorObject = { type?: unknown; code?: unknown };

export function readRefusal(status: number, body: Uint8Array): UpstreamRefusal {
  const error = errorIn(body);
  const code = lower(error?.code);
  const type = lower(error?.type);
  return { about: aboutOf(status, code, type), body, isReadable: error !== null };
}

function aboutOf(status: number, code: string, type: string): UpstreamRefusal["about"] {
  if (code === "insufficient_quota" || type === "insufficient_quota") return "quota";
  if (status === 429) return "rate";
  if (status >= 500) return "server";
  if (status === 401 || status === 403 || status === 404) {
    // Some gateways say 401 where a key may not use a model.
    if (code.includes("model")) return "model";
    if (status === 401) return "key";
  }
  if (status !== 403) return "other";
  if (policyCode.test(code) || policyCode.test(type)) return "policy";
  return keyCodes.has(code) || keyCodes.has(type) ? "key" : "other";
}

const lower = (value: unknown): string => (typeof value === "string" ? value.slice(0, 256).toLowerCase() : "");

function errorIn(body: Uint8Array): ErrorObject | null {
  try {
    const answer = JSON.parse(Buffer.from(body).toString()) as { error?: unknown } | null;
    const error = answer?.error;
    return typeof error === "object" ? error : null;
  } catch {
    return null;
  }
}
