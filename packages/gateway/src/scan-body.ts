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
  bytes: Buffer;
  /** The spans of the members that were asked for. */
  spans: ReadonlyMap<string, Span>;
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
export function scanBody(body: Uint8Array, keys: ReadonlySet<string>): ScannedBody {
  const bytes = bufferOf(body);
  if (!isUtf8(bytes)) throw new BodyError("The body is not valid UTF-8.");
  const spans = new Map<string, Span>();
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
      const keyEnd = at;
      at = skipSpace(bytes, at);
      if (bytes[at] !== colon) throw notJson(at);
      const start = skipSpace(bytes, at + 1);
      at = skipValue(bytes, start, 2);
      const key = readKey(bytes, keyStart, keyEnd);
      if (keys.has(key)) {
        const isEscaped = keyEnd - keyStart !== key.length + 2;
        if (isEscaped) throw new BodyError(`The key "${key}" must be written without escapes.`, key);
        if (spans.has(key)) throw new BodyError(`The key "${key}" stands twice in the body.`, key);
        spans.set(key, { start, end: at });
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
  const span = body.spans.get(key);
  return span && parse(body.bytes, span.start, span.end);
}

/**
 * The body with these members set, its other bytes untouched: one that the scan found is replaced where it stands, one
 * that is not there is put first. What is set must have been among the keys of the scan.
 */
export function withMembers(body: ScannedBody, members: Readonly<Record<string, unknown>>): Uint8Array {
  const edits: (Span & { text: string })[] = [];
  let inserted = "";
  for (const key in members) {
    const text = JSON.stringify(members[key]);
    const span = body.spans.get(key);
    if (span) edits.push({ start: span.start, end: span.end, text });
    else inserted += `${inserted === "" ? "" : ","}"${key}":${text}`;
  }
  if (inserted !== "") {
    edits.push({ start: body.insertAt, end: body.insertAt, text: body.isEmpty ? inserted : `${inserted},` });
  }
  if (edits.length === 0) return body.bytes;
  if (edits.length > 1) edits.sort((a, b) => a.start - b.start);
  let length = body.bytes.length;
  for (const { start, end, text } of edits) length += Buffer.byteLength(text) - (end - start);
  const edited = Buffer.allocUnsafe(length);
  let readAt = 0;
  let writeAt = 0;
  for (const { start, end, text } of edits) {
    writeAt += body.bytes.copy(edited, writeAt, readAt, start);
    writeAt += edited.write(text, writeAt);
    readAt = end;
  }
  body.bytes.copy(edited, writeAt, readAt);
  return edited;
}

const notJson = (at: number) => new BodyError(`The body is not valid JSON (at byte ${at}).`);

function parse(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString("utf8", start, end));
  } catch {
    throw notJson(start);
  }
}

/** The same bytes, not a copy. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** As JSON means it. In Latin-1 a key of billing reads as what it is, and no other one does. */
function readKey(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("latin1", start + 1, end - 1);
  return text.includes("\\") ? (parse(bytes, start, end) as string) : text;
}

function skipSpace(bytes: Buffer, at: number): number {
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** From the opening quote to behind the closing one. */
function skipString(bytes: Buffer, start: number): number {
  if (bytes[start] !== quote) throw notJson(start);
  for (let at = start + 1; ; at++) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at++;
    else if (byte === undefined || byte < 0x20) throw notJson(at);
  }
}

/** From a value's first byte to behind its last; checks the structure, and leaves numbers and words to `skipWord`. */
function skipValue(bytes: Buffer, at: number, depth: number): number {
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

function skipWord(bytes: Buffer, start: number): number {
  let at = start;
  while (isWordByte(bytes[at])) at++;
  if (!word.test(bytes.toString("latin1", start, at))) throw notJson(start);
  return at;
}

const isWordByte = (byte: number | undefined) =>
  byte !== undefined &&
  ((byte >= 0x30 && byte <= 0x39) ||
    ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e);
