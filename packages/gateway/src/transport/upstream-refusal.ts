/**
 * What an upstream's refusal says, and about whom: its key, the model, or this one request. It is decided by the codes and
 * types that OpenAI writes (https://platform.openai.com/docs/guides/error-codes), never by the status alone: a 403 may
 * mean a model, a region or a policy as well as a key.
 */
import { isObject, parseObject, type Json } from "../metering/answer-facts.ts";

export type UpstreamRefusal = {
  about:
    | "key" // the operator's key or account: no call at all will go through
    | "quota" // the operator's account with the provider is used up
    | "model" // the upstream does not offer it to this operator
    | "policy" // the provider does not want this very request
    | "rate"
    | "server"
    | "other";
  /** As it came, where it is an error in OpenAI's shape; null: it is in another one. */
  body: Uint8Array | null;
  /** What it says in words; null: nothing that a client could read. */
  message: string | null;
  /** An identifier; null: none. */
  code: string | null;
  param: string | null;
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
]);
const policyCode = /moderation|content_policy|content_filter|policy_violation|safety|cyber/;
/** The operator's bill, as providers name it and as some only say it. */
const billCode =
  /billing|insufficient_(?:quota|balance|credits?|funds)|credit_balance|credits?_exhausted|(?:spend|usage)_limit|payment_required|quota_exceeded|arrears/;
const billWords =
  /credit balance|current quota|plan and billing|billing (?:hard )?limit|payment (?:is )?required|insufficient (?:balance|credits?|funds|quota)|(?:balance|credits?) (?:is|are) (?:too low|exhausted|used up)/i;

export function readRefusal(status: number, body: Uint8Array): UpstreamRefusal {
  const text = Buffer.from(body).toString();
  const object = parseObject(text);
  const error = isObject(object.error) ? object.error : null;
  const said = error ?? object;
  const message = sentenceOf(error ? error.message : messageOf(object, text));
  const [code, type] = [lower(said.code), lower(said.type)];
  return {
    about: aboutOf(status, code, type, message ?? ""),
    body: error ? body : null,
    message,
    code: identifierOf(said.code) ?? identifierOf(said.type),
    param: typeof said.param === "string" ? said.param.slice(0, 200) : null,
  };
}

function aboutOf(status: number, code: string, type: string, message: string): UpstreamRefusal["about"] {
  if (status === 402) return "quota";
  if (status < 500 && (billCode.test(code) || billCode.test(type) || billWords.test(message))) return "quota";
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

/** The words of errors in other shapes: vLLM's, FastAPI's one or several details, a plain text. */
function messageOf(object: Json, text: string): unknown {
  const { error, message, detail } = object;
  if (typeof error === "string") return error;
  if (typeof message === "string") return message;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map(detailText).filter(Boolean).join("; ");
  if (isObject(detail)) return detail.message ?? detail.msg;
  return /^\s*(?:[{<[]|$)/.test(text) ? null : text;
}

function detailText(detail: unknown): string {
  if (!isObject(detail)) return typeof detail === "string" ? detail : "";
  const place = Array.isArray(detail.loc) ? `${detail.loc.map(String).join(".")}: ` : "";
  return typeof detail.msg === "string" ? place + detail.msg : "";
}

const maxMessageChars = 2_000;

/** Null for what has no words. */
function sentenceOf(value: unknown): string | null {
  if (typeof value !== "string") return null;
  // eslint-disable-next-line no-control-regex -- what a terminal would obey is no word
  const text = value.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, " ").trim();
  return text === "" ? null : text.slice(0, maxMessageChars);
}

const identifierOf = (value: unknown): string | null =>
  typeof value === "string" && /^[a-z][a-z0-9_.-]{0,63}$/i.test(value) ? value : null;

const lower = (value: unknown): string => (typeof value === "string" ? value.slice(0, 256).toLowerCase() : "");
