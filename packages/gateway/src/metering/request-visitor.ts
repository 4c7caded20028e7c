/** What the scan of a request's body remembers: where billing's members stand, and what below them costs money. */
import { BodyError } from "../transport/body-error.ts";
import type { JsonVisitor } from "./json-scan.ts";
import type { Span } from "./scan-body.ts";

/** Of one element of `tools`: where its members stand that say what it is. */
export type ToolSpans = { type?: Span; container?: Span; environment?: Span };

export type RequestFindings = {
  /** Names and values that say that an image is meant; each image has one or two of them. */
  images: number;
  /** A part whose content the body only points at. */
  hasPointer: boolean;
  /** A file that lies with the provider. */
  hasFileId: boolean;
  /** The objects among the elements of `tools`; null where that is no array. */
  tools: ToolSpans[] | null;
  /** The elements of `prompt`, 1 where it is no array, or one prompt in tokens. */
  prompts: number;
  /** The bytes of all strings but inline data: what a tokenizer would be given. */
  textBytes: number;
};

const maxTools = 4_096;
/** The longest name that billing reads has 20 characters; each may be written as an escape of six. */
const maxKeyBytes = 122;

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;
const letter = (text: string) => text.charCodeAt(0);
const [letterA, letterF, letterI, letterU] = [letter("a"), letter("f"), letter("i"), letter("u")];

const named = (text: string) => Buffer.from(text);
const names = {
  url: named("url"),
  audio: named("audio"),
  fileId: named("file_id"),
  fileUrl: named("file_url"),
  fileData: named("file_data"),
  imageUrl: named("image_url"),
  inputAudio: named("input_audio"),
  inputImage: named("input_image"),
  dataUrl: named('"data:'),
};

/** A decoder of bytes, and as such a class: its methods run for each token. */
export class RequestVisitor implements JsonVisitor {
  readonly spans = new Map<string, Span>();
  insertAt = 0;
  isEmpty = true;
  readonly findings: RequestFindings = {
    images: 0,
    hasPointer: false,
    hasFileId: false,
    tools: null,
    prompts: 1,
    textBytes: 0,
  };
  readonly #keys: ReadonlySet<string>;
  /** Billing's member at the top level that the scan stands in; "": another one. */
  #member = "";
  /** The member is a `file_id`; its value comes next. */
  #isFileId = false;
  #tool: ToolSpans = {};
  #toolMember: keyof ToolSpans | null = null;
  /** The first byte of the first element of `prompt`. */
  #firstOfPrompt = 0;

  constructor(keys: ReadonlySet<string>) {
    this.#keys = keys;
  }

  key(bytes: Buffer, start: number, end: number, depth: number): void {
    if (end - start > maxKeyBytes) {
      if (depth === 1) this.#member = "";
      return;
    }
    const isEscaped = hasEscape(bytes, start, end);
    if (depth === 1) {
      this.#member = this.billingKey(bytes, start, end, isEscaped);
      return;
    }
    if (isEscaped) {
      this.escapedKey(bytes.toString("utf8", start, end), depth);
      return;
    }
    this.noteName(bytes, start + 1, end - 1);
    if (depth === 3 && this.#member === "tools") this.#toolMember = toolMemberOf(bytes, start, end);
  }

  open(bytes: Buffer, start: number, depth: number): void {
    if (depth === 0 && bytes[start] !== openBrace) throw noObject();
    if (depth === 2) this.beginElement(bytes, start);
    this.#isFileId = false;
  }

  value(bytes: Buffer, start: number, end: number, depth: number, count: number): void {
    const first = bytes[start] as number;
    if (first === quote) this.text(bytes, start, end);
    this.#isFileId = false;
    if (depth > 3) return;
    if (depth === 3) {
      if (this.#toolMember !== null) this.#tool[this.#toolMember] = { start, end };
      this.#toolMember = null;
    } else if (depth === 2) this.endElement(bytes, start, first);
    else if (depth === 1) this.endMember(start, end, first, count);
    else {
      if (first !== openBrace) throw noObject();
      this.insertAt = start + 1;
      this.isEmpty = count === 0;
    }
  }

  private billingKey(bytes: Buffer, start: number, end: number, isEscaped: boolean): string {
    // In Latin-1 a key of billing reads as what it is, and no other one does.
    const key = isEscaped
      ? (JSON.parse(bytes.toString("utf8", start, end)) as string)
      : bytes.toString("latin1", start + 1, end - 1);
    if (!this.#keys.has(key)) return "";
    if (isEscaped) throw new BodyError(`The key "${key}" must be written without escapes.`, key);
    if (this.spans.has(key)) throw new BodyError(`The key "${key}" stands twice in the body.`, key);
    return key;
  }

  private escapedKey(text: string, depth: number): void {
    const plain = Buffer.from(JSON.stringify(JSON.parse(text)));
    this.noteName(plain, 1, plain.length - 1);
    if (depth === 3 && this.#member === "tools") this.#toolMember = toolMemberOf(plain, 0, plain.length);
  }

  /** By length and first letter before anything is compared: this runs for every member. */
  private noteName(bytes: Buffer, start: number, end: number): void {
    const found = this.findings;
    const first = bytes[start];
    switch (end - start) {
      case 3:
        if (first === letterU && isName(names.url, bytes, start)) found.hasPointer = true;
        return;
      case 5:
        if (first === letterA && isName(names.audio, bytes, start)) found.hasPointer = true;
        return;
      case 7:
        if (first === letterF && isName(names.fileId, bytes, start)) this.#isFileId = true;
        return;
      case 8:
        if (first === letterF && isName(names.fileUrl, bytes, start)) found.hasPointer = true;
        return;
      case 9:
        if (first === letterF && isName(names.fileData, bytes, start)) found.hasPointer = true;
        else if (first === letterI && isName(names.imageUrl, bytes, start)) {
          found.hasPointer = true;
          found.images++;
        }
        return;
      case 11:
        if (first !== letterI) return;
        if (isName(names.inputAudio, bytes, start)) found.hasPointer = true;
        else if (isName(names.inputImage, bytes, start)) found.images++;
    }
  }

  private text(bytes: Buffer, start: number, end: number): void {
    const found = this.findings;
    if (this.#isFileId) found.hasFileId = true;
    const length = end - start - 2;
    if (length === 9 || length === 11) {
      const name = length === 9 ? names.imageUrl : names.inputImage;
      if (isName(name, bytes, start + 1)) found.images++;
    }
    if (length < 5 || !isName(names.dataUrl, bytes, start)) found.textBytes += length;
  }

  private beginElement(bytes: Buffer, start: number): void {
    if (this.#member === "tools") this.#tool = {};
    else if (this.#member === "prompt") this.#firstOfPrompt ||= bytes[start] as number;
  }

  private endElement(bytes: Buffer, start: number, first: number): void {
    if (this.#member === "prompt") this.#firstOfPrompt ||= first;
    if (this.#member !== "tools" || first !== openBrace) return;
    const tools = (this.findings.tools ??= []);
    if (tools.length >= maxTools) throw new BodyError(`tools must be at most ${maxTools}.`, "tools");
    tools.push(this.#tool);
  }

  private endMember(start: number, end: number, first: number, count: number): void {
    const member = this.#member;
    if (member === "") return;
    this.#member = "";
    this.spans.set(member, { start, end });
    if (first !== openBracket) {
      if (member === "tools") this.findings.tools = null;
    } else if (member === "prompt") {
      const isInTokens = this.#firstOfPrompt === 0x2d || (this.#firstOfPrompt >= 0x30 && this.#firstOfPrompt <= 0x39);
      this.findings.prompts = isInTokens ? 1 : Math.max(count, 1);
    }
  }
}

const noObject = () => new BodyError("The body must be a JSON object.");

function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === backslash) return true;
  return false;
}

function isName(name: Buffer, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < name.length; at++) if (bytes[start + at] !== name[at]) return false;
  return true;
}

function toolMemberOf(bytes: Buffer, start: number, end: number): keyof ToolSpans | null {
  const length = end - start - 2;
  if (length !== 4 && length !== 9 && length !== 11) return null;
  const name = bytes.toString("latin1", start + 1, end - 1);
  return name === "type" || name === "container" || name === "environment" ? name : null;
}
