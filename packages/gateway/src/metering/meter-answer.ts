/** Reads from an answer as it passes what billing needs: usage, ids, the served tier, and how much came out so far. */
import type { AnswerVisitor } from "./answer-visitor.ts";
import { estimateTokens, tokensOfBytes } from "./estimate-tokens.ts";
import { countHostedCall, noHostedCalls, type HostedCalls } from "./hosted-tools.ts";
import { bufferOf } from "./scan-body.ts";
import { scanAnswer, type WhoseTurn } from "./scan-answer.ts";
import type { SseEvent } from "../transport/sse.ts";
import { storableOrNull } from "./stored-text.ts";
import type { Tokenizer } from "./tokenizer.ts";

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

/** Above this, scanning is cheaper than parsing all of it. */
const parseBelowBytes = 8 * 1024;

/** A whole answer, read: its facts, and what came out of it where no usage says so. */
export type MeteredWhole = { facts: AnswerFacts; outputTokens: () => Promise<number> };

/** Meters a whole JSON answer whose output is text. */
export function meterText(body: Uint8Array, tools: MeterTools): MeteredWhole | Promise<MeteredWhole> {
  return meterWhole(body, tools, () => observedTokensOf(tools.tokenizer, body));
}

/** Meters a whole JSON answer whose output costs nothing. */
export const meterVectors = (body: Uint8Array, tools: MeterTools): MeteredWhole | Promise<MeteredWhole> =>
  meterWhole(body, tools, () => Promise.resolve(0));

function meterWhole(body: Uint8Array, tools: MeterTools, outputTokens: () => Promise<number>) {
  const read = readJsonAnswer(body, tools);
  return read instanceof Promise ? read.then((facts) => ({ facts, outputTokens })) : { facts: read, outputTokens };
}

/** The facts of a whole JSON answer; a large one is scanned instead of parsed. */
function readJsonAnswer(bytes: Uint8Array, whose: WhoseTurn): AnswerFacts | Promise<AnswerFacts> {
  const facts = noFacts();
  if (bytes.length >= parseBelowBytes) return scanFacts(facts, bytes, whose);
  noteObject(facts, parse(bufferOf(bytes).toString()));
  return facts;
}

/** What is no JSON says nothing of its usage; the caller estimates. */
async function scanFacts(facts: AnswerFacts, bytes: Uint8Array, whose: WhoseTurn): Promise<AnswerFacts> {
  const scanned = await scanAnswer(bytes, whose);
  if (scanned) noteScanned(facts, scanned);
  return facts;
}

function noteScanned(facts: AnswerFacts, { members, hosted, output }: AnswerVisitor): void {
  noteObject(facts, members);
  if (output !== null) facts.hosted = hosted ?? noHostedCalls();
}

function noteObject(facts: AnswerFacts, object: Json): void {
  facts.responseId = storableOrNull(object.id) ?? facts.responseId;
  facts.servedModel = storableOrNull(object.model) ?? facts.servedModel;
  facts.serviceTier = storableOrNull(object.service_tier, 64) ?? facts.serviceTier;
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
  /** Looks at the next event; a large one takes its turns. */
  take(event: SseEvent): EventKind | Promise<EventKind>;
  /** Tokens that came out so far, as a tokenizer counts them. Never rejects. */
  observedTokens(): Promise<number>;
  hasOutput(): boolean;
  /** How many events came so far. */
  taken(): number;
};

export type MeterTools = WhoseTurn & { tokenizer: Tokenizer };

/** Events are kept as text and are read only where somebody asks for `observedTokens`, or when they grow large. */
export function createStreamMeter(isResponses: boolean, tools: MeterTools): StreamMeter {
  const facts = noFacts();
  let unread: string[] = [];
  let unreadChars = 0;
  let counted: Promise<number> = Promise.resolve(0);
  let hasOutput = false;
  let taken = 0;

  function add(more: Promise<number>): void {
    counted = Promise.all([counted, more]).then(([before, tokens]) => before + tokens);
  }

  /** Each text is counted once: what came since the last time. */
  function fold(): void {
    if (unread.length === 0) return;
    const text = unread.map(outputOf).join("");
    unread = [];
    unreadChars = 0;
    add(estimateTokens(tools.tokenizer, text));
  }

  function keep(data: string): void {
    hasOutput = true;
    unread.push(data);
    unreadChars += data.length;
    if (unreadChars > foldAboveChars) fold();
  }

  function keepLarge(json: Buffer): void {
    hasOutput = true;
    add(tools.tokenizer.count({ json, members: outputMembers }).then((tokens) => tokens ?? tokensOfBytes(json.length)));
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
    if (type.endsWith(".delta")) keep(data);
    return "plain";
  }

  async function takeLarge(name: string, json: Buffer): Promise<EventKind> {
    const scanned = await scanAnswer(json, tools);
    if (!scanned) return "plain";
    if (!isResponses) {
      if (scanned.members.error !== undefined) return "error";
      noteScanned(facts, scanned);
      if (scanned.choices === 0 && isObject(scanned.members.usage)) return "usage";
      keepLarge(json);
      return "plain";
    }
    const type = name !== "" ? name : (scanned.eventType ?? "");
    if (type === "error") return "error";
    const isEnd = responsesEnd.test(type);
    if (isEnd || type === "response.created") noteScanned(facts, scanned);
    else if (type === "response.output_item.done") addHosted(facts.hosted, scanned.hosted);
    else if (type.endsWith(".delta")) keepLarge(json);
    return isEnd ? "terminal" : "plain";
  }

  return {
    facts,
    take: ({ name, data, largeData }) => {
      taken++;
      if (largeData !== null) return takeLarge(name, largeData);
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

function addHosted(calls: HostedCalls, more: HostedCalls | null): void {
  if (!more) return;
  calls.hasContainer ||= more.hasContainer;
  for (const unit in more.units) calls.units[unit] = (calls.units[unit] ?? 0) + (more.units[unit] ?? 0);
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

/** Where the text of an answer, or of one of its events, stands. */
const outputMembers = ["choices", "output", "delta"];

/** The tokens of a whole JSON answer that came without usage. */
async function observedTokensOf(tokenizer: Tokenizer, bytes: Uint8Array): Promise<number> {
  if (bytes.length > foldAboveChars) {
    const tokens = await tokenizer.count({ json: bytes, members: outputMembers });
    return tokens ?? tokensOfBytes(bytes.length);
  }
  const answer = parse(bufferOf(bytes).toString());
  const choices = Array.isArray(answer.choices) ? answer.choices : [];
  const output = choices.map((choice: unknown) => (isObject(choice) ? textIn(choice.message ?? choice.text) : ""));
  return estimateTokens(tokenizer, output.join("") + textIn(answer.output));
}
