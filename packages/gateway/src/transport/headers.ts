/** Headers are built from empty by allow-list, both ways: what is not named here does not pass. */
import { createHash } from "node:crypto";
import type { Allowance, Hold, Upstream } from "../ports.ts";

type Incoming = Readonly<Record<string, string | string[] | undefined>>;

const upNames = new Set([
  "content-type",
  "accept",
  "user-agent",
  "originator",
  "session-id",
  "thread-id",
  "session_id",
]);
const upPrefixes = ["x-stainless-", "x-codex-"];
/** Betas that the gateway can meter; others are left out instead of refused, as OpenAI does with unknown ones. */
const betas = new Set(["responses=experimental", "responses_multi_agent=v1"]);

const downNames = new Set(["content-type", "cache-control", "openai-processing-ms"]);
const downPrefixes = ["x-codex-"];
/** What is left of the operator's own account is nobody else's to know; callers are told of theirs. */
const operatorsStatus = /^x-codex-(?:.*-)?(?:primary|secondary|credits|limit|plan|promo)(?:-|$)/;

/** What goes upstream: the client's harmless headers, the operator's credentials, nothing that names the client. */
export function upstreamHeaders(client: Incoming, upstream: Upstream, userId: string): Record<string, string> {
  const headers = pick(client, upNames, upPrefixes);
  const idempotencyKey = client["idempotency-key"];
  if (typeof idempotencyKey === "string") headers["idempotency-key"] = ownIdempotencyKey(idempotencyKey, userId);
  const wanted = client["openai-beta"];
  const allowed = wanted === undefined ? [] : valuesOf(wanted).filter((beta) => betas.has(beta));
  if (allowed.length > 0) headers["openai-beta"] = allowed.join(", ");
  // The side parser reads the answer as it passes, so it must not be compressed.
  headers["accept-encoding"] = "identity";
  return operatorHeaders(upstream, headers);
}

/** Who pays the provider, put among `headers`. */
export function operatorHeaders(upstream: Upstream, headers: Record<string, string> = {}): Record<string, string> {
  headers.authorization = `Bearer ${upstream.apiKey}`;
  if (upstream.organization) headers["openai-organization"] = upstream.organization;
  if (upstream.project) headers["openai-project"] = upstream.project;
  return headers;
}

/** All users share the operator's account: one's key must never be answered with what another one was told. */
const ownIdempotencyKey = (key: string, userId: string): string =>
  createHash("sha256").update(`${userId} ${key}`).digest("hex");

/** What the client gets to see of the upstream's headers, with the gateway's own request id, limits and cap. */
export function clientHeaders(
  upstream: Incoming,
  requestId: string,
  hold: Pick<Hold, "allowance" | "outputCapTokens"> | null,
): Record<string, string> {
  const headers = pick(upstream, downNames, downPrefixes);
  headers["x-request-id"] = requestId;
  if (hold === null) return headers;
  const { allowance, outputCapTokens } = hold;
  if (outputCapTokens !== null) headers["x-codex-gateway-output-cap"] = String(outputCapTokens);
  if (allowance) {
    tellLimit(headers, "requests", allowance.requests);
    tellLimit(headers, "tokens", allowance.tokens);
  }
  return headers;
}

/** As OpenAI tells its own: how much a minute gives, what is left, and when it is full again. */
function tellLimit(headers: Record<string, string>, unit: string, limit: Allowance["requests"]): void {
  if (!limit) return;
  headers[`x-ratelimit-limit-${unit}`] = String(limit.limit);
  headers[`x-ratelimit-remaining-${unit}`] = String(limit.remaining);
  headers[`x-ratelimit-reset-${unit}`] = `${Math.ceil(((limit.limit - limit.remaining) * 60_000) / limit.limit)}ms`;
}

function pick(from: Incoming, names: ReadonlySet<string>, prefixes: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {};
  let prefixed = 0;
  for (const name in from) {
    const value = from[name];
    if (typeof value !== "string") continue;
    if (names.has(name) || (hasPrefix(name, prefixes) && !operatorsStatus.test(name) && ++prefixed <= maxPrefixed)) {
      picked[name] = value;
    }
  }
  return picked;
}

/** No client sends so many; upstreams refuse requests with hundreds. */
const maxPrefixed = 50;

function hasPrefix(name: string, prefixes: readonly string[]): boolean {
  for (const prefix of prefixes) if (name.startsWith(prefix)) return true;
  return false;
}

const valuesOf = (header: string | string[]): string[] =>
  [header].flat().flatMap((line) => line.split(",").map((part) => part.trim()));
