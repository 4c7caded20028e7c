/**
 * Reads what billing needs from a JSON body without rebuilding it: the bytes that go upstream are the client's own, so
 * unknown members, big integers and the order of members survive.
 *
 * Biller and upstream must never read different values from one body. JSON leaves open which of two equal keys counts,
 * so a body that repeats one that is read, at any depth, is refused; a member of billing at the top level is also refused
 * in escapes, or in capitals.
 */

import { isUtf8 } from "node:buffer";
import { BodyError } from "../transport/body-error.ts";
import type { BodyShape } from "./body-shape.ts";
import { JsonScan, JsonScanError } from "./json-scan.ts";
import { RequestVisitor, type RequestFindings } from "./request-visitor.ts";
import { sliceBytes, type Turns } from "./turns.ts";

/** Where a member's value stands in the body, end exclusive. */
export type Span = { start: number; end: number };

export type ScannedBody = {
  bytes: Buffer;
  /** The spans of the members whose values billing reads. */
  spans: ReadonlyMap<string, Span>;
  /** Right behind the opening brace: where a member can be put in. */
  insertAt: number;
  /** true where the object has no member, so that an inserted one is followed by no comma. */
  isEmpty: boolean;
  /** What stands below the top level and costs money. */
  findings: RequestFindings;
};

/** Members and elements together, at all depths: more than any request that a model can read. */
const bodyLimits = { maxDepth: 64, maxValues: 1_000_000 };
/** What billing reads as a value of its own has no more bytes than that; names and caps are far shorter. */
const maxValueBytes = 16 * 1024;

/**
 * Scans the whole body once. `shape` says what its members are.
 * @throws BodyError where it is no JSON object in UTF-8, nests deeper than 64, has more than a million members and
 * elements, says a member twice that is read, or names something that is stored with the provider
 */
export function scanBody(body: Uint8Array, shape: BodyShape): ScannedBody {
  const { scan, finish } = startScan(body, shape);
  guarded(() => scan.run());
  return finish();
}

/** As `scanBody`, but a large body takes several turns of the event loop. `party` is whose body it is. */
export async function scanBodyInTurns(
  body: Uint8Array,
  shape: BodyShape,
  { turns, party }: { turns: Turns; party: string },
): Promise<ScannedBody> {
  const { scan, finish } = startScan(body, shape);
  do await turns.next(party);
  while (!guarded(() => scan.run(sliceBytes)));
  return finish();
}

function startScan(body: Uint8Array, shape: BodyShape) {
  const bytes = bufferOf(body);
  if (!isUtf8(bytes)) throw new BodyError("The body is not valid UTF-8.");
  const visitor = new RequestVisitor(shape);
  const finish = (): ScannedBody => {
    const { spans, insertAt, isEmpty, findings } = visitor;
    return { bytes, spans, insertAt, isEmpty, findings };
  };
  return { scan: new JsonScan(bytes, visitor, bodyLimits), finish };
}

function guarded<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw error instanceof JsonScanError ? new BodyError(textOf(error)) : error;
  }
}

/** Says where, and never what: a body is nobody's to print. */
function textOf({ reason, at }: JsonScanError): string {
  if (reason === "too_deep") return `The body nests deeper than ${bodyLimits.maxDepth} levels.`;
  if (reason === "too_many") return `The body has more than ${bodyLimits.maxValues} members and elements.`;
  return `The body is not valid JSON (at byte ${at}).`;
}

/** The value of a scanned member; undefined where the body does not have it. @throws BodyError where it is too long */
export function valueOf(body: ScannedBody, key: string): unknown {
  const span = body.spans.get(key);
  return span && valueAt(body.bytes, span, key);
}

/** @throws BodyError about `param` where it is too long to be what billing takes it for */
export function valueAt(bytes: Buffer, { start, end }: Span, param: string): unknown {
  if (end - start > maxValueBytes) throw new BodyError(`${param} is too long.`, param);
  // Scanned already: it cannot fail.
  return JSON.parse(bytes.toString("utf8", start, end));
}

/** Whether a scanned member is there and says something, however much. */
export function isGiven(body: ScannedBody, key: string): boolean {
  const span = body.spans.get(key);
  return span !== undefined && body.bytes[span.start] !== letterN;
}

/** Of all values, only `null` begins with it. */
const letterN = 0x6e;

/**
 * The body with these members set, its other bytes untouched: one that the scan found is replaced where it stands, one
 * that is not there is put first. What is set must have been among the keys of the scan.
 */
export function withMembers(body: ScannedBody, members: Readonly<Record<string, unknown>>): Uint8Array {
  const edits = editsOf(body, members);
  if (edits.length === 0) return body.bytes;
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

type Edit = Span & { text: string };

/** In the order in which they stand. */
function editsOf(body: ScannedBody, members: Readonly<Record<string, unknown>>): Edit[] {
  const edits: Edit[] = [];
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
  return edits.length > 1 ? edits.sort((a, b) => a.start - b.start) : edits;
}

/** A body in which some spans are no text: data of pictures, files and sound. */
export type BodyText = { bytes: Uint8Array; inline: readonly Span[] };

/** Returns the text of the body that `withMembers` makes: the scanned one need not be kept for it. */
export function textOfEdited(
  body: ScannedBody,
  bytes: Uint8Array,
  members: Readonly<Record<string, unknown>>,
): BodyText {
  const { inline } = body.findings;
  if (inline.length === 0 || bytes === body.bytes) return { bytes, inline };
  const edits = editsOf(body, members);
  const moved = (at: number) =>
    edits.reduce(
      (sum, { start, end, text }) => (start <= at ? sum + Buffer.byteLength(text) - (end - start) : sum),
      at,
    );
  return { bytes, inline: inline.map(({ start, end }) => ({ start: moved(start), end: moved(start) + end - start })) };
}

/** The body as JSON with an empty text for all inline data: what a tokenizer is given. */
export function withoutInlineData({ bytes, inline }: BodyText): Uint8Array {
  const kept: Uint8Array[] = [];
  let at = 0;
  for (const { start, end } of inline) {
    kept.push(bytes.subarray(at, start), emptyText);
    at = end;
  }
  kept.push(bytes.subarray(at));
  return kept.length === 1 ? bytes : Buffer.concat(kept);
}

const emptyText = Buffer.from('""');

/** The same bytes, not a copy. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
