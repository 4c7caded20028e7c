/**
 * Reads what billing needs from a JSON body without rebuilding it: the bytes that go upstream are the client's own, so
 * unknown members, big integers and the order of members survive.
 *
 * Biller and upstream must never read different values from one body. JSON leaves open which of two equal keys counts,
 * so a body that repeats a billing key, or spells it with escapes, is refused.
 */

import { isUtf8 } from "node:buffer";

/** Where a member's value stands in the body, end exclusive. */
type Span = { start: number; end: number };

export type ScannedBody = {
  bytes: Uint8Array;
  /** The spans of the members that were asked for. */
  spans: Readonly<Record<string, Span | undefined>>;
  /** Right behind the opening brace: where a member can be put in. */
  insertAt: number;
  /** true where the object has no member, so that an inserted one is followed by no comma. */
  isEmpty: boolean;
};

/** A body that cannot be taken; `message` is for the client, `param` the member it is about. */
export class BodyError extends Error {
  override readonly name = "BodyError";
  constructor(
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

const maxDepth = 64;
const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const backslash = 0x5c;

/**
 * Scans the whole body once. `keys` are the top-level members that billing reads.
 * @throws BodyError where it is no JSON object in UTF-8, nests deeper than 64, or says a billing key twice or in escapes
 */
export function scanBody(bytes: Uint8Array, keys: ReadonlySet<string>): ScannedBody {
  if (!isUtf8(bytes)) throw new BodyError("The body is not valid UTF-8.");
  const spans: Record<string, Span> = Object.create(null) as Record<string, Span>;
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== openBrace) throw new BodyError("The body must be a JSON object.");
  const insertAt = at + 1;
  at = skipSpace(bytes, insertAt);
  const isEmpty = bytes[at] === closeBrace;
  if (isEmpty) at++;
  else {
    for (;;) {
      const keyStart = at;
      at = skipString(bytes, at);
      const key = readKey(bytes, keyStart, at);
      at = skipSpace(bytes, at);
      if (bytes[at] !== colon) throw notJson(at);
      const start = skipSpace(bytes, at + 1);
      at = skipValue(bytes, start, 2);
      if (keys.has(key.text)) {
        if (key.isEscaped) throw new BodyError(`The key "${key.text}" must be written without escapes.`, key.text);
        if (spans[key.text]) throw new BodyError(`The key "${key.text}" stands twice in the body.`, key.text);
        spans[key.text] = { start, end: at };
      }
      at = skipSpace(bytes, at);
      if (bytes[at] === closeBrace) break;
      if (bytes[at] !== comma) throw notJson(at);
      at = skipSpace(bytes, at + 1);
    }
    at++;
  }
  if (skipSpace(bytes, at) !== bytes.length) throw notJson(at);
  return { bytes, spans, insertAt, isEmpty };
}

/** The value of a scanned member; undefined where the body does not have it. @throws BodyError where it is no JSON */
export function valueOf(body: ScannedBody, key: string): unknown {
  const span = body.spans[key];
  return span && parse(body.bytes, span.start, span.end);
}

/**
 * The body with these members set, its other bytes untouched: one that the scan found is replaced where it stands, one
 * that is not there is put first. What is set must have been among the keys of the scan.
 */
export function withMembers(body: ScannedBody, members: Readonly<Record<string, unknown>>): Uint8Array {
  const inserted = Object.entries(members).filter(([key]) => !body.spans[key]);
  const edits = Object.entries(members).flatMap(([key, value]) => {
    const span = body.spans[key];
    return span ? [{ ...span, text: JSON.stringify(value) }] : [];
  });
  if (inserted.length > 0) {
    const text = inserted.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",");
    edits.push({ start: body.insertAt, end: body.insertAt, text: body.isEmpty ? text : `${text},` });
  }
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, text } of edits.sort((a, b) => a.start - b.start)) {
    parts.push(body.bytes.subarray(at, start), Buffer.from(text));
    at = end;
  }
  parts.push(body.bytes.subarray(at));
  return parts.length === 1 ? body.bytes : Buffer.concat(parts);
}

const notJson = (at: number) => new BodyError(`The body is not valid JSON (at byte ${at}).`);

function parse(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(textOf(bytes, start, end));
  } catch {
    throw notJson(start);
  }
}

const textOf = (bytes: Uint8Array, start: number, end: number) =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();

function readKey(bytes: Uint8Array, start: number, end: number): { text: string; isEscaped: boolean } {
  const isEscaped = bytes.subarray(start, end).includes(backslash);
  return { text: parse(bytes, start, end) as string, isEscaped };
}

function skipSpace(bytes: Uint8Array, at: number): number {
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** From the opening quote to behind the closing one. */
function skipString(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== quote) throw notJson(start);
  for (let at = start + 1; ; at++) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at++;
    else if (byte === undefined || byte < 0x20) throw notJson(at);
  }
}

/** From a value's first byte to behind its last; checks the structure, and leaves numbers and words to `skipWord`. */
function skipValue(bytes: Uint8Array, at: number, depth: number): number {
  const byte = bytes[at];
  if (byte === quote) return skipString(bytes, at);
  if (byte !== openBrace && byte !== openBracket) return skipWord(bytes, at);
  if (depth > maxDepth) throw new BodyError(`The body nests deeper than ${maxDepth} levels.`);
  const isObject = byte === openBrace;
  const close = isObject ? closeBrace : closeBracket;
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === close) return at + 1;
  for (;;) {
    if (isObject) {
      at = skipSpace(bytes, skipString(bytes, at));
      if (bytes[at] !== colon) throw notJson(at);
      at = skipSpace(bytes, at + 1);
    }
    at = skipSpace(bytes, skipValue(bytes, at, depth + 1));
    if (bytes[at] === close) return at + 1;
    if (bytes[at] !== comma) throw notJson(at);
    at = skipSpace(bytes, at + 1);
  }
}

const word = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

function skipWord(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isWordByte(bytes[at])) at++;
  if (!word.test(Buffer.from(bytes.buffer, bytes.byteOffset + start, at - start).toString("latin1")))
    throw notJson(start);
  return at;
}

const isWordByte = (byte: number | undefined) =>
  byte !== undefined &&
  ((byte >= 0x30 && byte <= 0x39) ||
    ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e);
