/**
 * The upstream refused before a byte of an answer: nothing is charged. What the client did wrong reaches it as it was;
 * what is wrong between the operator and the upstream does not.
 */
import type { GatewayAnswer } from "../call.ts";
import { errorAnswer } from "../errors.ts";
import type { Exchange } from "../exchange.ts";
import type { Ports } from "../ports.ts";
import type { UpstreamAnswer } from "./upstream-client.ts";
import type { UpstreamRefusal } from "./upstream-refusal.ts";

export async function relayRefusal(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  refusal: UpstreamRefusal,
): Promise<GatewayAnswer> {
  const { id, hold } = exchange;
  const { status } = answer;
  await ports.settle({ hold, outcome: "released", reason: `upstream_${status}` });
  const retryAfterMs = retryAfterMsOf(answer);
  const fields = { requestId: id, upstreamId: answer.upstream.id, status };
  if (isOperatorsFault(status, refusal)) {
    ports.log("error", "upstream_refuses_operator", fields);
    return errorAnswer("upstream_unavailable", id);
  }
  ports.log("warn", "upstream_error", fields);
  if (refusal.about === "model") {
    return errorAnswer("model_not_found", id, {
      message: "The model provider does not offer this model.",
      param: "model",
    });
  }
  if (status === 429) {
    return errorAnswer("rate_limit_exceeded", id, {
      message: "The model provider is asked too often right now.",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (status === 504 || status === 408) return errorAnswer("upstream_timeout", id);
  if (status < 400 || status > 499 || !refusal.isReadable) {
    return errorAnswer("upstream_failed", id, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  const text = Buffer.from(refusal.body).toString().replace(secrets, "***");
  return {
    status,
    headers: { "content-type": "application/json", "x-request-id": id },
    body: Buffer.from(text),
  };
}

/** A 401 or 403 that is neither about the model nor about what was asked. */
const isOperatorsFault = (status: number, { about }: UpstreamRefusal): boolean =>
  about === "key" || about === "quota" || (about === "other" && (status === 401 || status === 403));

const maxRetryAfterMs = 24 * 60 * 60 * 1_000;

function retryAfterMsOf({ headers }: UpstreamAnswer): number | undefined {
  const waitMs = Number(headers["retry-after"]) * 1_000;
  return waitMs > 0 ? Math.min(waitMs, maxRetryAfterMs) : undefined;
}

/** Keys, and the ids of organizations and projects, as OpenAI writes them. */
const secrets = /\b(?:sk|org|proj)[-_][A-Za-z0-9_*-]{6,}/g;
