/** Reads from an answer as it passes what billing needs: usage, ids, the served tier, and how much came out so far. */
import { errorIn, isObject, noFacts, noteObject, noteScanned, parseObject, type AnswerFacts } from "./answer-facts.ts";
import { AnswerVisitor } from "./answer-visitor.ts";
import { estimateTokens, tokensOfBytes } from "./estimate-tokens.ts";
import { countHostedCall, type HostedCalls } from "./hosted-tools.ts";
import { observedTokensOf, outputMembers, textOfEvent } from "./output-text.ts";
import { PieceScan } from "./piece-scan.ts";
import { bufferOf } from "./scan-body.ts";
import { scanAnswer, type WhoseTurn } from "./scan-answer.ts";
import type { SseEvent, SsePiece } from "../transport/sse.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { sliceBytes } from "./turns.ts";

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

/** The facts of a whole JSON answer; a large one is scanned instead of parsed. What is no JSON says nothing. */
function readJsonAnswer(bytes: Uint8Array, whose: WhoseTurn): AnswerFacts | Promise<AnswerFacts> {
  const facts = noFacts();
  if (bytes.length >= parseBelowBytes) return scanFacts(facts, bytes, whose);
  noteObject(facts, parseObject(bufferOf(bytes).toString()));
  return facts;
}

async function scanFacts(facts: AnswerFacts, bytes: Uint8Array, whose: WhoseTurn): Promise<AnswerFacts> {
  const scanned = await scanAnswer(bytes, whose);
  if (scanned) noteScanned(facts, scanned);
  return facts;
}

/**
 * What an event is to the meter. `usage` carries nothing else, `terminal` must wait for the settlement, behind an `error`
 * nothing comes any more.
 */
type EventKind = "plain" | "usage" | "terminal" | "error";

const usageObject = /"usage"\s*:\s*\{/;
const responsesEnd = /^response\.(?:completed|incomplete|failed|cancelled|done)$/;
/** As OpenAI writes events: what they are comes first. */
const leadingType = /^\s*\{\s*"type"\s*:\s*"([^"\\]*)"/;
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

/** An event that is read as it passes. */
type OpenEvent = { name: string; visitor: AnswerVisitor; scan: PieceScan; bytes: number };

/** Events are kept as text and are read only where somebody asks for `observedTokens`, or when they grow large. */
export function createStreamMeter(isResponses: boolean, tools: MeterTools): StreamMeter {
  const facts = noFacts();
  let unread: string[] = [];
  let unreadChars = 0;
  let counted: Promise<number> = Promise.resolve(0);
  let hasOutput = false;
  let hasText = false;
  let openEvent: OpenEvent | null = null;
  let taken = 0;

  function add(more: Promise<number>): void {
    counted = Promise.all([counted, more]).then(([before, tokens]) => before + tokens);
  }

  /** Each text is counted once: what came since the last time. */
  function fold(): void {
    if (unread.length === 0) return;
    const text = unread.map(textOfEvent).join("");
    unread = [];
    unreadChars = 0;
    add(estimateTokens(tools.tokenizer, text));
  }

  function keep(data: string): void {
    hasOutput = hasText = true;
    unread.push(data);
    unreadChars += data.length;
    if (unreadChars > foldAboveChars) fold();
  }

  function keepLarge(json: Buffer): void {
    hasOutput = hasText = true;
    add(tools.tokenizer.count({ json, members: outputMembers }).then((tokens) => tokens ?? tokensOfBytes(json.length)));
  }

  function takeChat(data: string): EventKind {
    if (isDone(data)) return "terminal";
    const mayHaveUsage = usageObject.test(data);
    const mayBeError = data.includes('"error"');
    if (facts.usage !== null && !mayHaveUsage && !facts.isUsageStale) facts.isUsageStale = textOfEvent(data) !== "";
    if (facts.responseId === null || mayHaveUsage || mayBeError) {
      const chunk = parseObject(data);
      noteObject(facts, chunk);
      if (errorIn(chunk) !== null) return "error";
      const { choices, usage } = chunk;
      if (Array.isArray(choices)) {
        if (choices.length === 0 && isObject(usage)) return "usage";
        if (choices.some(hasFailed)) {
          keep(data);
          return "error";
        }
      }
    }
    keep(data);
    return "plain";
  }

  function takeResponses(name: string, data: string): EventKind {
    const leading = leadingType.exec(data)?.[1];
    const event = leading === undefined ? parseObject(data) : null;
    const type = leading ?? (typeof event?.type === "string" ? event.type : name);
    // The commonest by far.
    if (type.endsWith(".delta")) {
      keep(data);
      return "plain";
    }
    if (responsesEnd.test(type) || type === "response.created") {
      const { response } = event ?? parseObject(data);
      if (isObject(response)) noteObject(facts, response);
      if (type === "response.created") return "plain";
      if (facts.items > 0) noteItems(data);
      return "terminal";
    }
    if (type === "response.output_item.done") {
      // What a broken stream has called is known from its items; the end says all of them again.
      if (data.includes("_call")) countHostedCall(facts.hosted, (event ?? parseObject(data)).item);
      noteItems(data);
    } else if (type.endsWith("partial_image")) hasOutput = true;
    else if (type === "error" || type === "") {
      if (isDone(data)) return "terminal";
      const object = event ?? parseObject(data);
      facts.error = errorIn(object) ?? (type === "error" ? object : facts.error);
      if (type === "error" || errorIn(object) !== null) return "error";
    }
    return "plain";
  }

  /** Items repeat what their deltas said; where none came they are all that is known. */
  function noteItems(data: string): void {
    hasOutput = true;
    if (!hasText) keep(data);
  }

  async function takeLarge(name: string, json: Buffer): Promise<EventKind> {
    const scanned = await scanAnswer(json, tools);
    return scanned ? noteEvent(name, scanned, () => keepLarge(json)) : "plain";
  }

  /** An event that nobody keeps is read as it passes; what it was is known at its end. */
  async function takePiece(name: string, { data, isFirst, isLast }: SsePiece): Promise<EventKind> {
    hasOutput = true;
    if (isFirst || !openEvent) {
      const visitor = new AnswerVisitor();
      openEvent = { name, visitor, scan: new PieceScan(visitor), bytes: 0 };
    }
    const event = openEvent;
    event.bytes += data.length;
    event.scan.push(data);
    do await tools.turns.next(tools.party);
    while (!event.scan.run(sliceBytes));
    if (!isLast) return "plain";
    openEvent = null;
    return noteEvent(event.name, event.visitor, () => add(Promise.resolve(tokensOfBytes(event.bytes))));
  }

  function noteEvent(name: string, scanned: AnswerVisitor, keepText: () => void): EventKind {
    if (!isResponses) {
      noteScanned(facts, scanned);
      if (errorIn(scanned.members) !== null) return "error";
      if (scanned.choices === 0 && isObject(scanned.members.usage)) return "usage";
      keepText();
      return "plain";
    }
    const type = scanned.eventType ?? name;
    if (type === "error") {
      facts.error = scanned.members;
      return "error";
    }
    const isEnd = responsesEnd.test(type);
    if (isEnd || type === "response.created") noteScanned(facts, scanned);
    else if (type === "response.output_item.done") addHosted(facts.hosted, scanned.hosted);
    const isItem = type === "response.output_item.done" || (isEnd && facts.items > 0);
    if (isItem || type.endsWith("partial_image")) hasOutput = true;
    if (type.endsWith(".delta") || (isItem && !hasText)) keepText();
    return isEnd ? "terminal" : "plain";
  }

  return {
    facts,
    take: ({ name, data, largeData, piece }) => {
      taken++;
      if (piece !== null) return takePiece(name, piece);
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

/** Chat ends with it; some servers end responses with it too, and some put a blank behind it. */
const isDone = (data: string): boolean => data.startsWith("[DONE]") && data.trimEnd() === "[DONE]";

/** As gateways to several providers say that one of those broke off. */
const hasFailed = (choice: unknown): boolean => isObject(choice) && choice.finish_reason === "error";

function addHosted(calls: HostedCalls, more: HostedCalls | null): void {
  if (!more) return;
  calls.hasContainer ||= more.hasContainer;
  for (const unit in more.units) calls.units[unit] = (calls.units[unit] ?? 0) + (more.units[unit] ?? 0);
}
