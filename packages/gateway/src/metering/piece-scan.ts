/**
 * Walks over JSON that is too large to be kept, piece by piece, and tells a visitor of it. Of what is behind it only the
 * last bytes stay here: the names of members and short values are told as they are, long ones only that they were there.
 * It takes what it gets for JSON: what is none tells nothing, or something wrong, and never throws.
 */
import type { JsonVisitor } from "./json-scan.ts";

/** Longer than any value that a visitor reads. */
const keptBytes = 32 * 1024;
const maxDepth = 64;
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

type Container = { isObject: boolean; start: number; count: number };

/** A decoder of bytes, and as such a class. */
export class PieceScan {
  readonly #visitor: JsonVisitor;
  #bytes: Buffer = Buffer.alloc(0);
  /** Where `#bytes` begins in all of it, and where the walk stands in `#bytes`. */
  #base = 0;
  #at = 0;
  #isInString = false;
  #isKey = false;
  #expectsKey = false;
  /** Where the string or word began in all of it; -1: it stands in none. */
  #start = -1;
  readonly #containers: Container[] = [];

  constructor(visitor: JsonVisitor) {
    this.#visitor = visitor;
  }

  push(piece: Buffer): void {
    const kept = this.#bytes.subarray(Math.max(0, this.#bytes.length - keptBytes));
    this.#base += this.#bytes.length - kept.length;
    this.#bytes = kept.length === 0 ? piece : Buffer.concat([kept, piece]);
    this.#at = kept.length;
  }

  /** Goes on for some `maxBytes`. Answers whether the end of what is here was reached. */
  run(maxBytes: number): boolean {
    const stopAt = Math.min(this.#bytes.length, this.#at + maxBytes);
    while (this.#at < stopAt) {
      if (this.#isInString) this.#goOnInString(stopAt);
      else this.#take(this.#bytes[this.#at] as number);
    }
    return this.#at >= this.#bytes.length;
  }

  #goOnInString(stopAt: number): void {
    const end = this.#bytes.subarray(this.#at, stopAt).indexOf(quote);
    if (end === -1) {
      this.#at = stopAt;
      return;
    }
    this.#at += end + 1;
    if (this.#isEscaped(this.#at - 1)) return;
    this.#isInString = false;
    if (this.#isKey) this.#tell("key", this.#start, this.#containers.length);
    else this.#endValue();
    this.#start = -1;
  }

  /** A quote behind an odd number of backslashes is text. */
  #isEscaped(at: number): boolean {
    let before = at;
    while (before > 0 && this.#base + before > this.#start + 1 && this.#bytes[before - 1] === backslash) before--;
    return (at - before) % 2 === 1;
  }

  #take(byte: number): void {
    const isEndOfWord = byte <= 0x20 || byte === comma || byte === closeBrace || byte === closeBracket;
    if (isEndOfWord && this.#start !== -1) {
      this.#endValue();
      this.#start = -1;
    }
    const here = this.#base + this.#at;
    this.#at++;
    if (byte === quote) {
      this.#start = here;
      this.#isInString = true;
      this.#isKey = this.#expectsKey;
    } else if (byte === openBrace || byte === openBracket) this.#open(here, byte === openBrace);
    else if (byte === closeBrace || byte === closeBracket) this.#close();
    else if (byte === comma) this.#expectsKey = this.#containers.at(-1)?.isObject ?? false;
    else if (byte === colon) this.#expectsKey = false;
    else if (byte > 0x20 && this.#start === -1 && !this.#expectsKey) this.#start = here;
  }

  #open(start: number, isObject: boolean): void {
    const depth = this.#containers.length;
    if (depth < maxDepth) this.#visitor.open(this.#bytes, Math.max(0, start - this.#base), depth);
    this.#containers.push({ isObject, start, count: 0 });
    this.#expectsKey = isObject;
  }

  #close(): void {
    const container = this.#containers.pop();
    this.#expectsKey = false;
    if (!container) return;
    this.#start = container.start;
    this.#endValue(container);
    this.#start = -1;
  }

  #endValue({ isObject, count }: { isObject?: boolean; count: number } = { count: 0 }): void {
    const around = this.#containers.at(-1);
    if (around) around.count++;
    this.#tell("value", this.#start, this.#containers.length, { isArray: isObject === false, count });
  }

  /** What has begun before the bytes that are here is told as longer than anybody reads. */
  #tell(what: "key" | "value", start: number, depth: number, { isArray = false, count = 0 } = {}): void {
    if (depth >= maxDepth) return;
    const isHere = start >= this.#base;
    const bytes = isHere ? this.#bytes : isArray ? someArray : someText;
    const [from, to] = isHere ? [start - this.#base, this.#at] : [0, this.#base + this.#at - start];
    try {
      if (what === "key") this.#visitor.key(bytes, from, to, depth);
      else this.#visitor.value(bytes, from, to, depth, count);
    } catch {
      // No JSON stood there: it says nothing.
    }
  }
}

const someArray = Buffer.of(openBracket);
const someText = Buffer.of(quote);
