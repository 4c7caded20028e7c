/**
 * Walks over a JSON text in its bytes: no recursion, no copy, no string made, and no byte looked at twice. The walk can be
 * stopped behind any number of bytes and taken up again, so that a text of any size needs no turn of the event loop for
 * itself. What it accepts is RFC 8259, down to the escapes in strings; whether the bytes are UTF-8 is not its business.
 */

/** Told about each token in order. A `depth` counts containers: members of the outermost object stand at depth 1. */
export type JsonVisitor = {
  /** The name of a member, its quotes included; its value comes next. */
  key(bytes: Buffer, start: number, end: number, depth: number): void;
  /** An object or array begins, as a value at `depth`. */
  open(bytes: Buffer, start: number, depth: number): void;
  /** A value at `depth` is over; `count` are the members or elements of an object or array. */
  value(bytes: Buffer, start: number, end: number, depth: number, count: number): void;
};

/** The text is no JSON, or more than its reader wants; `at` is the byte at which that was seen. */
export class JsonScanError extends Error {
  override readonly name = "JsonScanError";
  constructor(
    readonly reason: "not_json" | "too_deep" | "too_many",
    readonly at: number,
  ) {
    super(`${reason} at byte ${at}`);
  }
}

export type JsonLimits = { maxDepth: number; maxValues: number };

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const minus = 0x2d;
const plus = 0x2b;
const dot = 0x2e;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

const isPlainInString = new Uint8Array(256).fill(1, 0x20);
isPlainInString[quote] = isPlainInString[backslash] = 0;
const isEscapable = new Uint8Array(256);
for (const each of Buffer.from('"\\/bfnrt')) isEscapable[each] = 1;
const isHex = new Uint8Array(256);
for (const each of Buffer.from("0123456789abcdefABCDEF")) isHex[each] = 1;

const expectsValue = 0;
const expectsKey = 1;
const expectsKeyOrEnd = 2;
const expectsElementOrEnd = 3;
const isBehindValue = 4;
const isInString = 5;
const isInKey = 6;

/** A decoder of bytes, and as such a class. Its methods are private by word: a `#method` is checked for at each call. */
export class JsonScan {
  readonly #bytes: Buffer;
  readonly #visitor: JsonVisitor;
  readonly #limits: JsonLimits;
  #at = 0;
  #state = expectsValue;
  #depth = 0;
  #values = 0;
  #isObject = false;
  /** Where the string that the walk stands in began. */
  #stringStart = 0;
  /** Of the containers around the one that the walk stands in: where they began, their members so far, their kind. */
  readonly #starts: number[] = [];
  readonly #counts: number[] = [];
  readonly #kinds: boolean[] = [];

  constructor(bytes: Buffer, visitor: JsonVisitor, limits: JsonLimits) {
    this.#bytes = bytes;
    this.#visitor = visitor;
    this.#limits = limits;
  }

  /** Goes on for some `maxBytes`. Answers whether the end was reached. @throws JsonScanError */
  run(maxBytes = Infinity): boolean {
    const bytes = this.#bytes;
    const visitor = this.#visitor;
    const stopAt = Math.min(bytes.length, this.#at + maxBytes);
    let at = this.#at;
    let state = this.#state;
    for (;;) {
      if (state >= isInString) {
        at = skipText(bytes, at, stopAt);
        if (at >= stopAt && bytes[at] !== quote) {
          if (at >= bytes.length) throw new JsonScanError("not_json", at);
          break;
        }
        at++;
        if (state === isInString) {
          visitor.value(bytes, this.#stringStart, at, this.#depth, 0);
          state = isBehindValue;
          continue;
        }
        visitor.key(bytes, this.#stringStart, at, this.#depth);
        at = skipSpace(bytes, at, bytes.length);
        if (bytes[at] !== colon) throw new JsonScanError("not_json", at);
        at++;
        state = expectsValue;
      }
      at = skipSpace(bytes, at, stopAt);
      if (at >= stopAt) {
        if (at < bytes.length) break;
        if (state === isBehindValue && this.#depth === 0) {
          this.#at = at;
          return true;
        }
        throw new JsonScanError("not_json", at);
      }
      const byte = bytes[at] as number;
      if (state === isBehindValue) {
        const depth = this.#depth;
        if (depth === 0) throw new JsonScanError("not_json", at);
        if (byte === comma) {
          state = this.#isObject ? expectsKey : expectsValue;
          at++;
        } else {
          if (byte !== (this.#isObject ? closeBrace : closeBracket)) throw new JsonScanError("not_json", at);
          this.closeAt(++at);
        }
        continue;
      }
      if (state === expectsKey || state === expectsKeyOrEnd) {
        if (byte === quote) {
          this.#stringStart = at++;
          state = isInKey;
          this.count(at);
        } else if (byte === closeBrace && state === expectsKeyOrEnd) {
          this.closeAt(++at);
          state = isBehindValue;
        } else throw new JsonScanError("not_json", at);
        continue;
      }
      if (state === expectsElementOrEnd && byte === closeBracket) {
        this.closeAt(++at);
        state = isBehindValue;
        continue;
      }
      if (!this.#isObject && this.#depth > 0) this.count(at);
      if (byte === quote) {
        this.#stringStart = at++;
        state = isInString;
      } else if (byte === openBrace || byte === openBracket) {
        this.openAt(at++, byte === openBrace);
        state = byte === openBrace ? expectsKeyOrEnd : expectsElementOrEnd;
      } else {
        const end = endOfWord(bytes, at, byte);
        visitor.value(bytes, at, end, this.#depth, 0);
        at = end;
        state = isBehindValue;
      }
    }
    this.#at = at;
    this.#state = state;
    return false;
  }

  private count(at: number): void {
    if (++this.#values > this.#limits.maxValues) throw new JsonScanError("too_many", at);
    (this.#counts[this.#depth] as number)++;
  }

  private openAt(at: number, isObject: boolean): void {
    this.#visitor.open(this.#bytes, at, this.#depth);
    this.#kinds[this.#depth] = this.#isObject;
    const depth = ++this.#depth;
    if (depth > this.#limits.maxDepth) throw new JsonScanError("too_deep", at);
    this.#starts[depth] = at;
    this.#counts[depth] = 0;
    this.#isObject = isObject;
  }

  private closeAt(end: number): void {
    const depth = this.#depth--;
    this.#isObject = this.#kinds[depth - 1] as boolean;
    this.#visitor.value(this.#bytes, this.#starts[depth] as number, end, depth - 1, this.#counts[depth] as number);
  }
}

/** To the closing quote, or to `stopAt` and what belongs to an escape there. */
function skipText(bytes: Buffer, from: number, stopAt: number): number {
  let at = from;
  for (;;) {
    while (at < stopAt && isPlainInString[bytes[at] as number] === 1) at++;
    if (at >= stopAt || bytes[at] === quote) return at;
    if (bytes[at] !== backslash) throw new JsonScanError("not_json", at);
    at = endOfEscape(bytes, at);
  }
}

function endOfEscape(bytes: Buffer, at: number): number {
  const escaped = bytes[at + 1];
  if (escaped === undefined) throw new JsonScanError("not_json", at);
  if (isEscapable[escaped] === 1) return at + 2;
  if (escaped !== 0x75) throw new JsonScanError("not_json", at);
  for (let n = 2; n < 6; n++) if (isHex[bytes[at + n] ?? 0] !== 1) throw new JsonScanError("not_json", at);
  return at + 6;
}

function skipSpace(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    at++;
  }
  return at;
}

const words = ["true", "false", "null"].map((word) => Buffer.from(word));

/** Behind a number, `true`, `false` or `null`. */
function endOfWord(bytes: Buffer, at: number, first: number): number {
  if (first === minus || (first >= 0x30 && first <= 0x39)) return endOfNumber(bytes, at);
  for (const word of words) {
    if (word[0] !== first) continue;
    for (let n = 1; n < word.length; n++) if (bytes[at + n] !== word[n]) throw new JsonScanError("not_json", at);
    return at + word.length;
  }
  throw new JsonScanError("not_json", at);
}

function endOfNumber(bytes: Buffer, start: number): number {
  let at = bytes[start] === minus ? start + 1 : start;
  at = bytes[at] === 0x30 ? at + 1 : endOfDigits(bytes, at);
  if (bytes[at] === dot) at = endOfDigits(bytes, at + 1);
  if (((bytes[at] ?? 0) | 0x20) === 0x65) {
    const sign = bytes[at + 1];
    at = endOfDigits(bytes, sign === plus || sign === minus ? at + 2 : at + 1);
  }
  return at;
}

/** Behind one digit or more. */
function endOfDigits(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined || byte < 0x30 || byte > 0x39) break;
    at++;
  }
  if (at === start) throw new JsonScanError("not_json", at);
  return at;
}
