/**
 * Tells an answer from what only has the status of one: a login page of a proxy, nothing at all, an error that came as a
 * 200, a response that failed before anything came out of it. Nothing of that is charged, and its client hears an error.
 */
import { isObject, type AnswerFacts } from "../metering/answer-facts.ts";
import { readUsage } from "../metering/read-usage.ts";

export type NoAnswer = {
  /** As if the upstream had said so at once. */
  status: number;
  /** An error in OpenAI's shape; null: it said none. */
  error: object | null;
};

/** Null for an answer. */
export function judgeAnswer(facts: AnswerFacts): NoAnswer | null {
  if (facts.error === null) return facts.isAnswer || facts.usage !== null ? null : { status: 502, error: null };
  return hasNothing(facts) ? { status: statusOfError(facts.error), error: toErrorObject(facts.error) } : null;
}

/** Whether an answer that tells of an error has used nothing, as far as it says. */
export function hasNothing({ items, usage, hosted }: AnswerFacts): boolean {
  const stated = readUsage(usage);
  const hasOutput = Object.entries(stated?.units ?? {}).some(([unit, tokens]) => unit.endsWith("output") && tokens > 0);
  return items === 0 && !hasOutput && Object.keys(hosted.units).length === 0;
}

const statuses: Readonly<Record<string, number | undefined>> = {
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  invalid_api_key: 401,
  server_is_overloaded: 503,
  slow_down: 503,
  overloaded_error: 503,
  invalid_request_error: 400,
  invalid_prompt: 400,
  context_length_exceeded: 400,
  model_not_found: 404,
};

/** The status that an error should have come with, by its code or type. */
function statusOfError(error: unknown): number {
  if (!isObject(error)) return 502;
  for (const said of [error.status, error.code, error.type]) {
    const number = Number(said);
    if (Number.isInteger(number) && number >= 400 && number <= 599) return number;
    const known = typeof said === "string" && Object.hasOwn(statuses, said) ? statuses[said] : undefined;
    if (known !== undefined) return known;
  }
  return 502;
}

const toErrorObject = (error: unknown): object =>
  isObject(error) ? error : { message: String(error), type: null, param: null, code: null };
