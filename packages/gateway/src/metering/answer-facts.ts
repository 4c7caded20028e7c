/** What billing needs of an answer, and what tells an answer from what only has the status of one. */
import type { AnswerVisitor } from "./answer-visitor.ts";
import { countHostedCall, countToolUsage, noHostedCalls, type HostedCalls } from "./hosted-tools.ts";
import { storableOrNull } from "./stored-text.ts";

export type AnswerFacts = {
  /** The last usage object, as it stood; null: none came. */
  usage: unknown;
  /** Output came behind the last usage object, which cannot have counted it. */
  isUsageStale: boolean;
  serviceTier: string | null;
  servedModel: string | null;
  responseId: string | null;
  hosted: HostedCalls;
  /** Whether it has a member that only answers have. */
  isAnswer: boolean;
  /** Of `choices`, `output` and `data`. */
  items: number;
  /** What it says went wrong: an error object, or one in words; null: nothing. */
  error: unknown;
};

export const noFacts = (): AnswerFacts => ({
  usage: null,
  isUsageStale: false,
  serviceTier: null,
  servedModel: null,
  responseId: null,
  hosted: noHostedCalls(),
  isAnswer: false,
  items: 0,
  error: null,
});

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

export function parseObject(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

export function noteObject(facts: AnswerFacts, object: Json): void {
  facts.responseId = storableOrNull(object.id) ?? facts.responseId;
  facts.servedModel = storableOrNull(object.model) ?? facts.servedModel;
  facts.serviceTier = storableOrNull(object.service_tier, 64) ?? facts.serviceTier;
  facts.error = errorIn(object) ?? facts.error;
  noteUsage(facts, object.usage);
  for (const items of [object.choices, object.output, object.data]) {
    if (!Array.isArray(items)) continue;
    facts.isAnswer = true;
    facts.items += items.length;
  }
  if (Array.isArray(object.output)) {
    facts.hosted = noHostedCalls();
    for (const item of object.output) countHostedCall(facts.hosted, item);
  }
  countToolUsage(facts.hosted, object.tool_usage);
}

export function noteScanned(facts: AnswerFacts, { members, hosted, choices, output, data }: AnswerVisitor): void {
  noteObject(facts, members);
  facts.isAnswer ||= choices !== null || output !== null || data !== null;
  facts.items += (choices ?? 0) + (output ?? 0) + (data ?? 0);
  if (output === null) return;
  facts.hosted = hosted ?? noHostedCalls();
  countToolUsage(facts.hosted, members.tool_usage);
}

/** The last one counts, but for zeros behind a usage that had some. */
function noteUsage(facts: AnswerFacts, usage: unknown): void {
  if (!isObject(usage)) return;
  facts.isAnswer = true;
  if (facts.usage !== null && isZero(usage)) return;
  facts.usage = usage;
  facts.isUsageStale = false;
}

function isZero(usage: Json): boolean {
  for (const name in usage) if (typeof usage[name] === "number" && usage[name] > 0) return false;
  return true;
}

/** An `error` member that says something, or an error that is the whole object, as vLLM writes them; null: none. */
export function errorIn(object: Json): unknown {
  const { error } = object;
  if (isObject(error) || (typeof error === "string" && error !== "")) return error;
  return object.object === "error" ? object : null;
}
