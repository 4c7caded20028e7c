/** Carries the upstream's answer to the client and settles its hold once, before the client sees the end. */
import { clockMs } from "./call-record.ts";
import type { GatewayAnswer } from "./call.ts";
import { errorAnswer } from "./errors.ts";
import { estimateInputTokens } from "./estimate-tokens.ts";
import type { Exchange } from "./handle.ts";
import { clientHeaders } from "./headers.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { hostedUnits } from "./hosted-tools.ts";
import { observedTokensOf, readJsonAnswer, type AnswerFacts } from "./meter-answer.ts";
import type { Basis, Ports, Settlement, Usage } from "./ports.ts";
import { relayStream } from "./relay-stream.ts";
import type { UpstreamAnswer } from "./upstream-client.ts";
import { readUsage } from "./usage.ts";

const maxAnswerBytes = 256 * 1024 * 1024;
const maxErrorBytes = 1024 * 1024;

export function relayAnswer(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
): GatewayAnswer | Promise<GatewayAnswer> {
  if (answer.status < 200 || answer.status > 299) return relayError(ports, exchange, answer);
  const headers = clientHeaders(answer.headers, exchange.id, exchange.hold.allowance);
  const contentType = headers["content-type"] ?? "";
  if (contentType.startsWith("text/event-stream")) {
    const heartbeat = createHeartbeat(ports.now(), {
      isResponses: exchange.endpoint.name === "responses",
      isEarly: exchange.isCodex,
      everyMs: exchange.heartbeatMs,
    });
    const body = relayStream(ports, exchange, answer, heartbeat);
    return { status: answer.status, headers, body, heartbeat: (nowMs) => heartbeat.due(nowMs) };
  }
  return relayWhole(ports, exchange, answer, headers);
}

async function relayWhole(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  headers: Record<string, string>,
): Promise<GatewayAnswer> {
  const timeToFirstByteMs = ports.now() - exchange.startedAtMs;
  let body: Uint8Array;
  try {
    body = await answer.body.readAll(maxAnswerBytes);
  } catch (error) {
    // Nothing reached the client, so nothing is charged.
    ports.log("warn", "upstream_broke_off", { requestId: exchange.id, error: (error as Error).message });
    await ports.settle({ hold: exchange.hold, outcome: "released", reason: "upstream_broke_off" });
    return errorAnswer("upstream_failed", exchange.id);
  }
  exchange.record.settlingAtMs = clockMs();
  const facts = readJsonAnswer(body);
  const outputTokens = exchange.endpoint.outputCap === null ? () => Promise.resolve(0) : () => observedTokensOf(body);
  if (exchange.named) await exchange.named.keepAnswer({ status: answer.status, headers, body });
  await ports.settle(
    await captureOf(ports, exchange, answer, {
      facts,
      isStream: false,
      timeToFirstByteMs,
      isWhole: true,
      outputTokens,
    }),
  );
  return { status: answer.status, headers, body };
}

export type Metered = {
  facts: AnswerFacts;
  isStream: boolean;
  timeToFirstByteMs: number | null;
  /** false where the answer broke off, or its client left. */
  isWhole: boolean;
  outputTokens: () => Promise<number>;
};

export type AnsweredBy = Pick<UpstreamAnswer, "status" | "headers"> & { upstream: { id: string } };

/** What is charged: the upstream's own usage, or where that is missing or absurd what can be counted of the answer. */
export async function captureOf(
  ports: Ports,
  exchange: Exchange,
  answer: AnsweredBy,
  metered: Metered,
): Promise<Settlement> {
  const { facts, isWhole } = metered;
  const stated = facts.usage === null ? null : readUsage(facts.usage, exchange.hold);
  const flags = stated?.flags ?? [];
  let basis: Basis = "exact";
  let usage: Usage;
  if (stated) usage = stated.usage;
  else {
    basis = isWhole ? "estimate" : "observed";
    flags.push(facts.usage === null ? (isWhole ? "no_usage" : "broke_off") : "absurd_usage");
    ports.log("warn", "usage_counted", { requestId: exchange.id, flags });
    const input = Math.min(await estimateInputTokens(exchange.body), exchange.hold.inputTokens);
    const output = Math.min(await metered.outputTokens(), exchange.hold.outputTokens);
    usage = { input, cached_input: 0, cache_write: 0, output };
  }
  const { isSearch, bound } = exchange.facts;
  if (!isSearch) addUnits(usage, hostedUnits(facts.hosted, bound.hosted));
  else if (stated || usage.output) addUnits(usage, bound.hosted);
  const upstreamRequestId = answer.headers["x-request-id"];
  return {
    hold: exchange.hold,
    outcome: "captured",
    basis,
    usage,
    flags,
    serviceTier: facts.serviceTier,
    servedModel: facts.servedModel,
    upstreamId: answer.upstream.id,
    upstreamRequestId: typeof upstreamRequestId === "string" ? upstreamRequestId : null,
    upstreamResponseId: facts.responseId,
    status: answer.status,
    isStream: metered.isStream,
    timeToFirstByteMs: metered.timeToFirstByteMs,
    latencyMs: ports.now() - exchange.startedAtMs,
  };
}

function addUnits(usage: Usage, more: Usage): void {
  for (const unitClass in more) usage[unitClass] = more[unitClass] as number;
}

type UpstreamError = { message?: unknown; type?: unknown; code?: unknown };

/**
 * The upstream refused before a byte of an answer: nothing is charged. What the client did wrong reaches it as it was;
 * what is wrong between the operator and the upstream does not.
 */
async function relayError(ports: Ports, exchange: Exchange, answer: UpstreamAnswer): Promise<GatewayAnswer> {
  const { id, hold } = exchange;
  const body = await answer.body.readAll(maxErrorBytes).catch(() => new Uint8Array(0));
  await ports.settle({ hold, outcome: "released", reason: `upstream_${answer.status}` });
  const error = parseError(body);
  const retryAfter = answer.headers["retry-after"];
  const retryAfterMs = typeof retryAfter === "string" ? Number(retryAfter) * 1_000 || undefined : undefined;
  const isOperatorsFault =
    answer.status === 401 ||
    answer.status === 403 ||
    error?.type === "insufficient_quota" ||
    error?.code === "insufficient_quota";
  if (isOperatorsFault) {
    ports.log("error", "upstream_refuses_operator", {
      requestId: id,
      upstreamId: answer.upstream.id,
      status: answer.status,
    });
    return errorAnswer("upstream_unavailable", id);
  }
  ports.log("warn", "upstream_error", { requestId: id, upstreamId: answer.upstream.id, status: answer.status });
  if (answer.status === 429) {
    return errorAnswer("rate_limit_exceeded", id, {
      message: "The model provider is asked too often right now.",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (answer.status === 504 || answer.status === 408) return errorAnswer("upstream_timeout", id);
  if (answer.status < 400 || answer.status > 499 || !error) {
    return errorAnswer("upstream_failed", id, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  const text = Buffer.from(body).toString().replace(secrets, "***");
  return {
    status: answer.status,
    headers: { "content-type": "application/json", "x-request-id": id },
    body: Buffer.from(text),
  };
}

/** Keys, and the ids of organizations and projects, as OpenAI writes them. */
const secrets = /\b(?:sk|org|proj)[-_][A-Za-z0-9_*-]{6,}/g;

function parseError(body: Uint8Array): UpstreamError | null {
  try {
    const { error } = JSON.parse(Buffer.from(body).toString()) as { error?: unknown };
    return typeof error === "object" ? error : null;
  } catch {
    return null;
  }
}
