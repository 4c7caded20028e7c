/**
 * What the scan of an upstream's answer remembers: usage, ids, the served tier, and which of the provider's own tools
 * were called. It reads a whole answer, and the events that carry one as their `response`, or one of its items as `item`.
 */
import { countHostedCall, noHostedCalls, type HostedCalls } from "./hosted-tools.ts";
import type { JsonVisitor } from "./json-scan.ts";

/** No usage object, and no name in an answer, has more bytes than that. */
const maxValueBytes = 16 * 1024;
/** Names of members that mean something here have no more. */
const maxKeyBytes = 20;
const openBracket = 0x5b;
const wanted = new Set([
  "type",
  "status",
  "id",
  "model",
  "object",
  "usage",
  "tool_usage",
  "service_tier",
  "error",
  "message",
  "detail",
]);

/** A decoder of bytes, and as such a class. */
export class AnswerVisitor implements JsonVisitor {
  /** The members of the answer that mean something to billing; absent where they are too long to. */
  readonly members: Record<string, unknown> = {};
  /** Of the event around the answer. */
  eventType: string | null = null;
  hosted: HostedCalls | null = null;
  /** Elements of `choices`, of `output` and of `data`; null: there is none. */
  choices: number | null = null;
  output: number | null = null;
  data: number | null = null;
  /** The depth at which the answer's own members stand: 2 in an event that carries it. */
  #base = 1;
  #keyAtBase = "";
  #isInItems = false;
  #keyOfItem = "";
  #item: { type?: unknown; action?: { type: unknown } } = {};
  #keyOfAction = "";

  key(bytes: Buffer, start: number, end: number, depth: number): void {
    if (depth > this.#base + 3) return;
    const key = end - start - 2 > maxKeyBytes ? "" : bytes.toString("latin1", start + 1, end - 1);
    if (depth === 1) {
      this.#base = key === "response" ? 2 : 1;
      this.#keyAtBase = key;
    } else if (depth === this.#base) this.#keyAtBase = key;
    if (depth === this.#base) this.#isInItems = key === "output" || (key === "item" && depth === 1);
    else if (depth === this.#itemDepth()) this.#keyOfItem = key;
    else if (depth === this.#itemDepth() + 1) this.#keyOfAction = key;
  }

  open(_bytes: Buffer, _start: number, depth: number): void {
    if (this.#isInItems && depth === this.#itemDepth() - 1) this.#item = {};
  }

  value(bytes: Buffer, start: number, end: number, depth: number, count: number): void {
    if (this.#isInItems && depth >= this.#base) this.#noteItem(bytes, start, end, depth);
    if (depth === this.#base) this.#noteMember(bytes, start, end, depth, count);
    // The event goes on behind its answer.
    if (depth === 1) this.#base = 1;
  }

  /** Where the members of an item stand. */
  #itemDepth(): number {
    return this.#keyAtBase === "item" ? this.#base + 1 : this.#base + 2;
  }

  #noteItem(bytes: Buffer, start: number, end: number, depth: number): void {
    const itemDepth = this.#itemDepth();
    if (depth === itemDepth && this.#keyOfItem === "type") this.#item.type = read(bytes, start, end);
    else if (depth === itemDepth + 1 && this.#keyOfItem === "action" && this.#keyOfAction === "type") {
      this.#item.action = { type: read(bytes, start, end) };
    } else if (depth === itemDepth - 1) countHostedCall((this.hosted ??= noHostedCalls()), this.#item);
  }

  #noteMember(bytes: Buffer, start: number, end: number, depth: number, count: number): void {
    const key = this.#keyAtBase;
    this.#isInItems = false;
    if (bytes[start] === openBracket) {
      if (key === "choices") this.choices = count;
      if (key === "output") this.output = count;
      if (key === "data") this.data = count;
    }
    if (!wanted.has(key)) return;
    const value = read(bytes, start, end);
    if (value !== undefined) this.members[key] = value;
    // The event's own member, and not one of the answer that it carries.
    if (key === "type" && depth === 1 && typeof value === "string") this.eventType = value;
  }
}

/** Undefined where it is too long to mean anything. The scan has seen all of it, so it is JSON. */
const read = (bytes: Buffer, start: number, end: number): unknown =>
  end - start > maxValueBytes ? undefined : (JSON.parse(bytes.toString("utf8", start, end)) as unknown);
