/**
 * The upstream refused before a byte of an answer: nothing is charged. What the client did wrong reaches it in the
 * upstream's words; what is wrong at the upstream reaches it under its status and code in ours; what is wrong between the
 * operator and the upstream does not reach it at all.
 */
import type { GatewayAnswer } from "../call.ts";
import { errorAnswer, writeError } from "../errors.ts";
import type { Exchange } from "../exchange.ts";
import type { Ports } from "../ports.ts";
import { readRetryAfterMs } from "./retry-hint.ts";
import type { UpstreamAnswer } from "./upstream-client.ts";
import type { UpstreamRefusal } from "./upstream-refusal.ts";

export async function relayRefusal(
  ports: Ports,
  { id, hold }: Exchange,
  answer: UpstreamAnswer,
  refusal: UpstreamRefusal,
): Promise<GatewayAnswer> {
  await ports.settle({ hold, outcome: "released", reason: `upstream_${answer.status}` });
  return answerRefusal(ports, id, answer, refusal);
}

/** What the client hears of a refusal. */
export function answerRefusal(
  ports: Pick<Ports, "log" | "now">,
  id: string,
  answer: UpstreamAnswer,
  refusal: UpstreamRefusal,
): GatewayAnswer {
  const { status } = answer;
  const fields = { requestId: id, upstreamId: answer.upstream.id, status };
  const isOperators = isOperatorsFault(status, refusal);
  ports.log(isOperators ? "error" : "warn", isOperators ? "upstream_refuses_operator" : "upstream_error", fields);
  if (isOperators) return errorAnswer("upstream_unavailable", id);
  if (refusal.about === "model") {
    return errorAnswer("model_not_found", id, {
      message: "The model provider does not offer this model.",
      param: "model",
    });
  }
  const retryAfterMs = readRetryAfterMs(answer.headers, ports.now());
  const hint = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (status === 429) {
    const message = "The model provider is asked too often right now.";
    return errorAnswer("rate_limit_exceeded", id, { message, ...hint });
  }
  if (status === 504 || status === 408) return errorAnswer("upstream_timeout", id, hint);
  if (status >= 500) return relayFault(id, answer, refusal, hint);
  if (status < 400 || notForClients.has(status)) return errorAnswer("upstream_failed", id, { message: oddMessage });
  return relayWords(id, answer, refusal);
}

/** What the upstream should have got from somebody else than the client: a proxy's word, the wrong server, an upgrade. */
const notForClients = new Set([407, 421, 426]);
const oddMessage = "The model provider could not be asked in the way it wants.";

/** A 401, 402 or 403 that is neither about the model nor about what was asked. */
const isOperatorsFault = (status: number, { about }: UpstreamRefusal): boolean =>
  about === "key" || about === "quota" || (about === "other" && (status === 401 || status === 403));

/** The upstream's own fault: its status and code, by which clients decide whether to come again, in our words. */
function relayFault(
  id: string,
  { status, redactor }: UpstreamAnswer,
  { code }: UpstreamRefusal,
  hint: { retryAfterMs?: number },
): GatewayAnswer {
  const isOverloaded = status === 503 || status === 529 || /overload|slow_down|capacity/i.test(code ?? "");
  const answer = errorAnswer("upstream_failed", id, {
    status,
    message: isOverloaded ? "The model provider is overloaded right now." : "The model provider reported an error.",
    ...(code === null ? {} : { code: redactor.redactText(code) }),
    ...hint,
  });
  return answer;
}

/** The client's fault, in the upstream's words; an error of another shape is put into OpenAI's. */
function relayWords(
  id: string,
  { status, redactor }: UpstreamAnswer,
  { body, message, code, param }: UpstreamRefusal,
): GatewayAnswer {
  const headers = { "content-type": "application/json", "x-request-id": id, "x-should-retry": "false" };
  if (body) return { status, headers, body: Buffer.from(redactor.redactText(Buffer.from(body).toString())) };
  const words =
    message === null ? `The model provider refused this request with status ${status}.` : redactor.redactText(message);
  return { status, headers, body: writeError({ message: words, type: "invalid_request_error", param, code }) };
}
