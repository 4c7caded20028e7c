/** Turns what ended a call before it went upstream into its answer. */
import { OverBudgetError } from "./budgets.ts";
import { BodyTooLargeError, BodyTooSlowError, RequestCutError, type GatewayAnswer } from "./call.ts";
import type { ClientKind } from "./client-kind.ts";
import { errorAnswer } from "./errors.ts";
import type { Ports, Refusal } from "./ports.ts";
import { BodyError } from "./transport/body-error.ts";
import { UnsupportedEncodingError } from "./transport/unpack-body.ts";

export const refuse = ({ refused, ...rest }: Refusal, id: string, client: ClientKind): GatewayAnswer =>
  errorAnswer(refused, id, { ...rest, client });

export function answerFault(ports: Pick<Ports, "log">, error: unknown, id: string): GatewayAnswer {
  if (error instanceof BodyError) return errorAnswer("invalid_body", id, error);
  if (error instanceof BodyTooLargeError) return errorAnswer("body_too_large", id);
  if (error instanceof UnsupportedEncodingError) return errorAnswer("unsupported_encoding", id, error);
  if (error instanceof BodyTooSlowError) return errorAnswer("body_too_slow", id);
  if (error instanceof OverBudgetError) return refuseOverBudget(error, id);
  // Nobody reads the answer; it is no fault of ours that would have to be looked after.
  if (error instanceof RequestCutError) return errorAnswer("invalid_body", id, error);
  ports.log("error", "request_failed", { requestId: id, error: (error as Error).message });
  return errorAnswer("service_unavailable", id);
}

/** So long a user's calls take to make room, as a guess. */
const roomMs = 1_000;

function refuseOverBudget({ whose, what }: OverBudgetError, id: string): GatewayAnswer {
  if (whose === "all") return errorAnswer("service_unavailable", id, { message: "The gateway has too much to do." });
  const message =
    what === "calls"
      ? "Too many requests of this user are under way."
      : "The requests of this user that are under way are too large together.";
  return errorAnswer("rate_limit_exceeded", id, { message, retryAfterMs: roomMs });
}
