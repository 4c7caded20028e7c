/** Reads from an answer as it passes what billing needs: usage, ids, the served tier, and how much came out so far. */
import { estimateTokens } from "./estimate-tokens.ts";
import { countHostedCall, noHostedCalls, type HostedCalls } from "./hosted-tools.ts";
import type { SseEvent } from "./sse.ts";
import { bufferOf, scanBody, valueOf } from "./scan-body.ts";

export type AnswerFacts = {
  /** The last usage object, as it stood; null: none came. */
  usage: unknown;
  serviceTier: string | null;
  servedModel: string | null;
  responseId: string | null;
  hosted: HostedCalls;
};

export const noFacts = (): AnswerFacts => ({
  usage: null,
  serviceTier: null,
  servedModel: null,
  responseId: null,
  hosted: noHostedCalls(),
});

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;
const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

const answerKeys = new Set(["id", "model", "usage", "service_tier", "output"]);

/** Above this, scanning the top level is cheaper than parsing all of it. */
const parseBelowBytes = 8 * 1024;

/** The facts of a whole JSON answer; a large one is scanned at its top level instead of parsed. */
export function readJsonAnswer(bytes: Uint8Array): AnswerFacts {
  const facts = noFacts();
  if (bytes.length < parseBelowBytes) {
    noteObject(facts, parse(bufferOf(bytes).toString()));
    return facts;
  }
  try {
    const body = scanBody(bytes, answerKeys);
    noteObject(facts, {
      id: valueOf(body, "id"),
      model: valueOf(body, "model"),
      usage: valueOf(body, "usage"),
      service_tier: valueOf(body, "service_tier"),
      output: valueOf(body, "output"),
    });
  } catch {
    // What is no JSON says nothing of its usage; the caller estimates.
  }
  return facts;
}

function noteObject(facts: AnswerFacts, object: Json): void {
  facts.responseId = textOrNull(object.id) ?? facts.responseId;
  facts.servedModel = textOrNull(object.model) ?? facts.servedModel;
  facts.serviceTier = textOrNull(object.service_tier) ?? facts.serviceTier;
  if (isObject(object.usage)) facts.usage = object.usage;
  if (Array.isArray(object.output)) {
    facts.hosted = noHostedCalls();
    for (const item of object.output) countHostedCall(facts.hosted, item);
  }
}

/** What an event is to the meter: only `usage` and `terminal` must wait for the settlement. */
type EventKind = "plain" | "usage" | "terminal" | "error";

const usageObject = /"usage"\s*:\s*\{/;
const errorObject = /^\s*\{\s*"error"\s*:/;
const responsesEnd = /^response\.(?:completed|incomplete|failed)$/;
const typeMember = /"type"\s*:\s*"([^"]+)"/;
const foldAboveChars = 64 * 1024;

export type StreamMeter = {
  facts: AnswerFacts;
  /** Looks at the next event. */
  take(event: SseEvent): EventKind;
  /** Tokens that came out so far, as a tokenizer counts them. */
  observedTokens(): Promise<number>;
  hasOutput(): boolean;
  /** How many events came so far. */
  taken(): number;
};

/** Events are kept as text and are parsed only where somebody asks for `observedTokens`, or when they grow large. */
export function createStreamMeter(isResponses: boolean): StreamMeter {
  const facts = noFacts();
  let unread: string[] = [];
  let unreadChars = 0;
  let counted: Promise<number> = Promise.resolve(0);
  let hasOutput = false;
  let taken = 0;

  function fold(): void {
    const text = unread.map(outputOf).join("");
    unread = [];
    unreadChars = 0;
    counted = Promise.all([counted, estimateTokens(text)]).then(([before, more]) => before + more);
  }

  function keep(data: string): void {
    unread.push(data);
    unreadChars += data.length;
    if (unreadChars > foldAboveChars) fold();
  }

  function takeChat(data: string): EventKind {
    if (data === "[DONE]") return "terminal";
    if (errorObject.test(data)) return "error";
    const hasUsage = usageObject.test(data);
    if (facts.responseId === null || hasUsage) {
      const chunk = parse(data);
      noteObject(facts, chunk);
      if (hasUsage && isObject(chunk.usage)) {
        if (Array.isArray(chunk.choices) && chunk.choices.length === 0) return "usage";
      }
    }
    hasOutput = true;
    keep(data);
    return "plain";
  }

  function takeResponses(name: string, data: string): EventKind {
    const type = name !== "" ? name : (typeMember.exec(data)?.[1] ?? "");
    if (type === "error") return "error";
    if (responsesEnd.test(type) || type === "response.created") {
      const { response } = parse(data);
      if (isObject(response)) noteObject(facts, response);
      return type === "response.created" ? "plain" : "terminal";
    }
    // What a broken stream has called is known from its items; the end says all of them again.
    if (type === "response.output_item.done" && data.includes("_call")) countHostedCall(facts.hosted, parse(data).item);
    if (type.endsWith(".delta")) {
      hasOutput = true;
      keep(data);
    }
    return "plain";
  }

  return {
    facts,
    take: ({ name, data }) => {
      taken++;
      if (data === null) return "plain";
      return isResponses ? takeResponses(name, data) : takeChat(data);
    },
    observedTokens: () => {
      fold();
      return counted;
    },
    hasOutput: () => hasOutput,
    taken: () => taken,
  };
}

function parse(data: string): Json {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** The text that an event adds to the output: chat deltas with their tool calls, completions' text, responses' deltas. */
function outputOf(data: string): string {
  const event = parse(data);
  if (typeof event.delta === "string") return event.delta;
  if (!Array.isArray(event.choices)) return "";
  return event.choices
    .map((choice: unknown) => {
      if (!isObject(choice)) return "";
      return textIn(choice.delta) + (typeof choice.text === "string" ? choice.text : "");
    })
    .join("");
}

/** Every string that a delta carries but the names of its kind. */
function textIn(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textIn).join("");
  if (!isObject(value)) return "";
  return Object.entries(value)
    .map(([key, each]) => (key === "role" || key === "type" || key === "id" ? "" : textIn(each)))
    .join("");
}

/** The tokens of a whole JSON answer that came without usage. */
export async function observedTokensOf(bytes: Uint8Array): Promise<number> {
  const answer = parse(bufferOf(bytes).toString());
  const choices = Array.isArray(answer.choices) ? answer.choices : [];
  const output = choices.map((choice: unknown) => (isObject(choice) ? textIn(choice.message ?? choice.text) : ""));
  return estimateTokens(output.join("") + textIn(answer.output));
}
