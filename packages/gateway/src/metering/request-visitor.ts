/**
 * Reads a request as its provider does: whatever stands where text, pictures, files, pointers or tools stand, in any
 * spelling of its name. A member that decides something and is said twice is refused: parsers differ in which one counts.
 */
import { BodyError } from "../transport/body-error.ts";
import type { JsonVisitor } from "./json-scan.ts";
import { readPictureSize, type PictureSize } from "./picture-size.ts";
import {
  findName,
  foldName,
  isVariant,
  maxEscapedNameBytes,
  nameOf,
  nameWords,
  reads,
  topLevel,
} from "./request-places.ts";
import type { Place, Read } from "./request-places.ts";
import type { BodyShape } from "./body-shape.ts";
import type { Span } from "./scan-body.ts";

/** Of one tool: where its members stand that say what it is. */
export type ToolSpans = { type?: Span; container?: Span; environment?: Span };

export type PictureDetail = "low" | "high" | "auto" | "original";

type Picture = {
  /** Null: it lies elsewhere, or is none that can be read. */
  size: PictureSize | null;
  detail: PictureDetail;
  /** The depth at which it stands, and where: its `detail` stands beside it. */
  depth: number;
  at: number;
};

export type RequestFindings = {
  pictures: Picture[];
  /** Things that the provider fetches, or has: files by address, the reasoning of an earlier response. */
  remotes: number;
  /** Bytes of files that came with the body and are no plain text. */
  fileBytes: number;
  /** Bytes of base64 that are heard. */
  audioBytes: number;
  /** Where data of pictures, files and audio stands in the body: it is no text. */
  inline: Span[];
  inlineBytes: number;
  /** Whether an item names the container that it ran in. */
  hasContainer: boolean;
  /** All tools, those within others too. */
  tools: ToolSpans[];
  /** The elements of `prompt`, 1 where it is no array, or one prompt in tokens. */
  prompts: number;
};

const maxTools = 4_096;
const maxPictures = 4_096;

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;
/** Of all values, only `null` begins with it. */
const letterN = 0x6e;

/** What an object has, as bits. */
const hasId = 1;
const hasRole = 2;
const hasType = 4;
const hasPicture = 8;
const hasEncrypted = 16;
const isReference = 32;
const isPictureCall = 64;
const isReasoning = 128;

const kinds: Readonly<Record<string, number>> = {
  item_reference: isReference,
  image_generation_call: isPictureCall,
  reasoning: isReasoning,
};
const details: ReadonlySet<string> = new Set(["low", "high", "auto", "original"] satisfies PictureDetail[]);

/** A name with escapes, capitals or letters beyond ASCII: written otherwise it may be one that is read. */
const mayMeanAnother = /[^\x20-\x40\x5b\x5d-\x7e]/;

/** A decoder of bytes, and as such a class: its methods run for each token. */
export class RequestVisitor implements JsonVisitor {
  readonly spans = new Map<string, Span>();
  insertAt = 0;
  isEmpty = true;
  readonly findings: RequestFindings = {
    pictures: [],
    remotes: 0,
    fileBytes: 0,
    audioBytes: 0,
    inline: [],
    inlineBytes: 0,
    hasContainer: false,
    tools: [],
    prompts: 1,
  };
  readonly #shape: BodyShape;
  /** By depth: what the container is read as whose members stand there, whether it is an array, what it has. */
  readonly #places: (Place | null)[] = [null, null];
  readonly #isArray: boolean[] = [false, false];
  readonly #has: number[] = [0, 0];
  readonly #details: (PictureDetail | null)[] = [null, null];
  readonly #tools: ToolSpans[] = [];
  /** The name by which the container at this depth is a member of a tool; -1: it is none. */
  readonly #memberOfTool: number[] = [-1, -1];
  readonly #seen: number[] = Array<number>(2 * nameWords).fill(0);
  readonly #seenAtTop = new Set<string>();
  /** Of the member whose value comes next: what it is, and what its own members are read as. */
  #reads: Read = reads.nothing;
  #next: Place | null = null;
  #name = -1;
  /** False where not every server takes the name for what it is: what would lower the bill, or say more, then counts for nothing. */
  #isExact = true;
  /** Billing's member at the top level that the scan stands in; "": another one. */
  #member = "";
  /** The first byte of the first element of `prompt`. */
  #firstOfPrompt = 0;

  constructor(shape: BodyShape) {
    this.#shape = shape;
  }

  key(bytes: Buffer, start: number, end: number, depth: number): void {
    if (depth === 1) {
      this.keyAtTop(bytes, start, end);
      return;
    }
    const place = this.#places[depth] as Place | null;
    this.#reads = reads.nothing;
    this.#next = null;
    if (place === null) return;
    const found = findMember(bytes, start, end);
    this.#next = place.unknown;
    if (found === -1) return;
    const name = found & ~isVariant;
    this.#name = name;
    this.#isExact = found === name;
    this.#next = place.next[name] as Place | null;
    const read = place.reads[name] as Read;
    if (read === reads.nothing) return;
    this.#reads = read;
    const word = depth * nameWords + (name >>> 5);
    const bit = 1 << (name & 31);
    if (((this.#seen[word] as number) & bit) !== 0) throw saidTwice(nameOf(name));
    (this.#seen[word] as number) |= bit;
  }

  open(bytes: Buffer, start: number, depth: number): void {
    if (depth === 0) {
      if (bytes[start] !== openBrace) throw noObject();
      return;
    }
    if (depth === 2 && this.#member === "prompt") this.#firstOfPrompt ||= bytes[start] as number;
    const read = this.readsAt(depth);
    const place = this.placeAt(depth);
    const inside = depth + 1;
    this.#memberOfTool[inside] = -1;
    if (read !== reads.nothing) this.noteContainer(read, bytes, start, depth);
    const isArray = bytes[start] === openBracket;
    this.#isArray[inside] = isArray;
    this.#places[inside] = place;
    this.#has[inside] = 0;
    this.#details[inside] = null;
    for (let n = 0; n < nameWords; n++) this.#seen[inside * nameWords + n] = 0;
    if (place === null || isArray) return;
    if (place.name === "tool") this.#tools[inside] = {};
  }

  value(bytes: Buffer, start: number, end: number, depth: number, count: number): void {
    const first = bytes[start] as number;
    if (depth >= 2) {
      if (first === openBrace || first === openBracket) this.close(start, end, depth + 1, first);
      else {
        const read = this.readsAt(depth);
        if (read !== reads.nothing && first !== letterN) this.note(read, bytes, start, end, depth);
      }
      if (depth === 2 && this.#member === "prompt") this.#firstOfPrompt ||= first;
    } else if (depth === 1) {
      if (first === openBrace || first === openBracket) this.close(start, end, 2, first);
      else if (this.#reads !== reads.nothing && first !== letterN) this.note(this.#reads, bytes, start, end, depth);
      this.endMember(start, end, first, count);
    } else {
      if (first !== openBrace) throw noObject();
      this.insertAt = start + 1;
      this.isEmpty = count === 0;
    }
  }

  private keyAtTop(bytes: Buffer, start: number, end: number): void {
    this.#member = "";
    this.#reads = reads.nothing;
    this.#next = topLevel.extra;
    this.#name = -1;
    if (end - start - 2 > maxEscapedNameBytes) return;
    // In Latin-1 a key that means something reads as what it is, and no other one does.
    const written = bytes.toString("latin1", start + 1, end - 1);
    let key = written;
    let member = this.#shape.get(key);
    if (member === undefined && mayMeanAnother.test(written)) {
      key = foldName(JSON.parse(bytes.toString("utf8", start, end)) as string);
      member = this.#shape.get(key);
      if (member?.isRead) throw new BodyError(`The key "${key}" must be written without escapes, in lower case.`, key);
    }
    if (member === undefined) {
      const found = findMember(bytes, start, end);
      if (found === -1) return;
      const name = found & ~isVariant;
      this.#name = name;
      this.#isExact = found === name;
      this.#reads = topLevel.extra.reads[name] as Read;
      this.#next = topLevel.extra.next[name] as Place | null;
      return;
    }
    this.#next = member.place;
    if (!member.isRead) return;
    if (this.#seenAtTop.has(key)) throw saidTwice(key);
    this.#seenAtTop.add(key);
    if (member.isSpan) this.#member = key;
  }

  /** What the value is that comes now, among the members of the container at this depth. */
  private readsAt(depth: number): Read {
    if (!this.#isArray[depth] || depth === 1) return this.#reads;
    return (this.#places[depth] as Place | null)?.elementReads ?? reads.nothing;
  }

  private placeAt(depth: number): Place | null {
    if (!this.#isArray[depth] || depth === 1) return this.#next;
    return (this.#places[depth] as Place | null)?.element ?? null;
  }

  /** An object or an array where a text is usual says more of itself below; a name of something stored needs no more. */
  private noteContainer(read: Read, bytes: Buffer, start: number, depth: number): void {
    if (read === reads.stored) throw notStored(this.#name);
    if (read === reads.storedList && bytes[start] !== openBracket) throw notStored(this.#name);
    if (read === reads.container) this.findings.hasContainer = true;
    if (read === reads.ofTool) this.noteOfTool(start, start, depth);
    if (read === reads.ofTool) this.#memberOfTool[depth + 1] = this.#name;
  }

  private note(read: Read, bytes: Buffer, start: number, end: number, depth: number): void {
    switch (read) {
      case reads.stored:
      case reads.storedList:
        throw notStored(this.#name);
      case reads.remote:
        if (isDataUrl(bytes, start)) this.noteFile(bytes, start, end);
        else this.findings.remotes++;
        return;
      case reads.picture:
        this.notePicture(bytes, start, end, depth, isDataUrl(bytes, start));
        return;
      case reads.barePicture:
        if (bytes[start] === quote) this.notePicture(bytes, start, end, depth, true);
        return;
      case reads.file:
        this.noteFile(bytes, start, end);
        return;
      case reads.audio:
        this.findings.audioBytes += end - start;
        this.noteInline(start, end);
        return;
      case reads.detail: {
        const detail = textAt(bytes, start, end);
        this.#details[depth] = !this.#isExact ? "original" : details.has(detail) ? (detail as PictureDetail) : null;
        return;
      }
      case reads.id:
        (this.#has[depth] as number) |= hasId;
        return;
      case reads.role:
        this.noteHas(depth, hasRole);
        return;
      case reads.type:
        this.noteHas(depth, hasType);
        if ((this.#places[depth] as Place).name === "item") {
          (this.#has[depth] as number) |= kinds[textAt(bytes, start, end)] ?? 0;
        }
        return;
      case reads.encrypted:
        this.noteHas(depth, hasEncrypted);
        return;
      case reads.container:
        this.findings.hasContainer = true;
        return;
      case reads.ofTool:
        this.noteOfTool(start, end, depth);
    }
  }

  private noteHas(depth: number, bit: number): void {
    if (this.#isExact) (this.#has[depth] as number) |= bit;
  }

  private notePicture(bytes: Buffer, start: number, end: number, depth: number, isInline: boolean): void {
    const { pictures } = this.findings;
    if (pictures.length >= maxPictures) throw new BodyError(`A request may have at most ${maxPictures} pictures.`);
    const size = isInline ? readPictureSize(bytes, start, end) : null;
    if (isInline) this.noteInline(start, end);
    // One whose detail stands in the object around it is told apart by its depth.
    pictures.push({ size, detail: "auto", depth, at: start });
    if (!this.#isArray[depth]) this.noteHas(depth, hasPicture);
  }

  private noteFile(bytes: Buffer, start: number, end: number): void {
    // Plain text is counted as what it is.
    if (isTextFile(bytes, start)) return;
    this.findings.remotes++;
    this.findings.fileBytes += end - start;
    this.noteInline(start, end);
  }

  private noteInline(start: number, end: number): void {
    this.findings.inline.push({ start, end });
    this.findings.inlineBytes += end - start;
  }

  private noteOfTool(start: number, end: number, depth: number): void {
    const tool = this.#tools[depth];
    if (tool === undefined) return;
    tool[nameOf(this.#name) as keyof ToolSpans] = { start, end };
  }

  /** `inside` is the depth at which the container's members stand. */
  private close(start: number, end: number, inside: number, first: number): void {
    const place = this.#places[inside] as Place | null;
    const member = this.#memberOfTool[inside] as number;
    if (member !== -1) {
      const tool = this.#tools[inside - 1] as ToolSpans;
      tool[nameOf(member) as keyof ToolSpans] = { start, end };
    }
    if (place === null || first === openBracket) return;
    const has = this.#has[inside] as number;
    if (place.name === "tool") this.endTool(this.#tools[inside] as ToolSpans);
    if (place.name === "item") this.endItem(has);
    const detail = this.#details[inside] as PictureDetail | null;
    if (detail === null) return;
    const { pictures } = this.findings;
    for (let n = pictures.length - 1; n >= 0; n--) {
      const picture = pictures[n] as Picture;
      if (picture.at < start) return;
      if (picture.depth === inside) picture.detail = detail;
    }
  }

  private endTool(tool: ToolSpans): void {
    const { tools } = this.findings;
    if (tools.length >= maxTools) throw new BodyError(`tools must be at most ${maxTools}.`, "tools");
    tools.push(tool);
  }

  /** An item that says no more than its name stands with the provider. */
  private endItem(has: number): void {
    const isBare = (has & (hasId | hasType | hasRole)) === hasId;
    if (isBare || (has & isReference) !== 0 || ((has & isPictureCall) !== 0 && (has & hasPicture) === 0)) {
      throw new BodyError(
        "Items of earlier responses are not offered here by reference. Send the items themselves, or previous_response_id.",
        "input",
      );
    }
    if ((has & isReasoning) !== 0 && (has & hasId) !== 0 && (has & hasEncrypted) === 0) this.findings.remotes++;
  }

  private endMember(start: number, end: number, first: number, count: number): void {
    const member = this.#member;
    if (member === "") return;
    this.#member = "";
    this.spans.set(member, { start, end });
    if (member !== "prompt" || first !== openBracket) return;
    const isInTokens = this.#firstOfPrompt === 0x2d || (this.#firstOfPrompt >= 0x30 && this.#firstOfPrompt <= 0x39);
    this.findings.prompts = isInTokens ? 1 : Math.max(count, 1);
  }
}

const noObject = () => new BodyError("The body must be a JSON object.");
const saidTwice = (name: string) => new BodyError(`The key "${name}" stands twice in one object.`, name);

const storedKinds: Readonly<Record<string, string>> = {
  file_id: "Stored files are not offered here. Send the file itself (file_data), or its address (file_url).",
  file_ids: "Stored files are not offered here.",
  vector_store_id: "Stored vector stores are not offered here.",
  vector_store_ids: "Stored vector stores are not offered here.",
  skill_id: "Stored skills are not offered here.",
  container_id: "Stored containers are not offered here.",
};

function notStored(name: number): BodyError {
  const member = nameOf(name);
  const message = storedKinds[member] ?? "Stored audio and voices are not offered here.";
  return new BodyError(message, member);
}

/** As `findName`; a name with escapes, or with letters beyond ASCII, is read as what it means. */
function findMember(bytes: Buffer, start: number, end: number): number {
  const found = findName(bytes, start + 1, end - 1);
  if (found !== -1 || end - start - 2 > maxEscapedNameBytes) return found;
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] as number;
    if (byte !== backslash && byte < 0x80) continue;
    const meant = JSON.parse(bytes.toString("utf8", start, end)) as string;
    const name = Buffer.from(foldName(meant));
    const read = findName(name, 0, name.length);
    return read === -1 || meant === nameOf(read) ? read : read | isVariant;
  }
  return -1;
}

/** A short text as it is meant; "" for what is no text, or too long to mean anything. */
function textAt(bytes: Buffer, start: number, end: number): string {
  if (bytes[start] !== quote || end - start > 200) return "";
  const text = bytes.toString("latin1", start + 1, end - 1);
  return text.includes("\\") ? (JSON.parse(bytes.toString("utf8", start, end)) as string) : text;
}

/** The first characters of a text as they are meant, in lower case. */
function beginningAt(bytes: Buffer, start: number): string {
  if (bytes[start] !== quote) return "";
  const text = bytes.toString("latin1", start + 1, Math.min(start + 65, bytes.length)).toLowerCase();
  if (!text.includes("\\")) return text;
  return text
    .replace(/\\u00([0-7][0-9a-f])/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    .replaceAll("\\/", "/")
    .toLowerCase();
}

const isDataUrl = (bytes: Buffer, start: number): boolean => beginningAt(bytes, start).startsWith("data:");
const isTextFile = (bytes: Buffer, start: number): boolean =>
  /^data:(?:text\/|application\/json)/.test(beginningAt(bytes, start));
