/**
 * Finds the events of a server-sent-event stream in its bytes, whatever way the bytes are cut
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream): lines end with LF, CR or
 * CRLF, an event ends with an empty line. It never changes a byte: each event carries the very bytes that it came in, so
 * that those can be sent on, held back or left out as a whole.
 */

export type SseEvent = {
  /** The bytes of the event, its closing empty line included. */
  raw: Uint8Array;
  /** The `event` field; "" where there is none. */
  name: string;
  /** The `data` lines joined by LF; null where there is none (a comment, a keep-alive), or where it is `largeData`. */
  data: string | null;
  /** The data of an event above `largeEventBytes`, of which no string is made: that alone would keep the event loop. */
  largeData: Buffer | null;
  /** A piece of an event above the bound, of which nobody keeps the whole; null: the event is whole. */
  piece: SsePiece | null;
};

export type SsePiece = { data: Buffer; isFirst: boolean; isLast: boolean };

export type SseSplitter = {
  /** Takes the next bytes; returns the events that they complete. */
  push(chunk: Uint8Array): SseEvent[];
  /** What is left at the end of the stream: bytes of an event that was never completed. */
  rest(): Uint8Array;
  /** Whether an event has begun that was never completed. */
  isOpen(): boolean;
};

const largeEventBytes = 64 * 1024;
/** So many lines of a large event are read; no upstream folds its data, and to join lines costs a copy. */
const maxLargeLines = 1_024;

const lf = 10;
const cr = 13;
const byteOrderMark = [0xef, 0xbb, 0xbf];
const nothing = new Uint8Array(0);

/** An event of more than `maxEventBytes` is handed on in pieces, as they come. */
export function createSseSplitter(maxEventBytes = 16 * 1024 * 1024): SseSplitter {
  /** The bytes that no event was made of yet; a view on a chunk, or on `store` once an event spans chunks. */
  let pending: Uint8Array = nothing;
  let store: Uint8Array = nothing;
  /** Where the search goes on in `pending`; everything before it was seen. */
  let at = 0;
  let lineStart = 0;
  let isFirst = true;
  let isInPieces = false;

  /** Joins the chunk to what is pending; the store doubles, so that tiny chunks of a huge event cost no more than it. */
  function append(chunk: Uint8Array): void {
    const length = pending.length + chunk.length;
    const isInStore = pending.buffer === store.buffer && pending.byteOffset === store.byteOffset;
    if (!isInStore || length > store.length) {
      store = new Uint8Array(Math.max(2 * length, 4_096));
      store.set(pending);
    }
    store.set(chunk, pending.length);
    pending = store.subarray(0, length);
  }

  function completeEventAt(end: number): SseEvent {
    const raw = pending.subarray(0, end);
    const event = isInPieces ? pieceOf(raw, { isLast: true }) : parseEvent(raw, isFirst);
    isFirst = isInPieces = false;
    pending = pending.subarray(end);
    at = 0;
    lineStart = 0;
    return event;
  }

  /** What was seen of an event whose end is not here yet. */
  function cutPiece(): SseEvent {
    const raw = pending.subarray(0, at);
    const piece = isInPieces ? pieceOf(raw, { isLast: false }) : firstPieceOf(parseEvent(raw, isFirst));
    isInPieces = true;
    pending = pending.subarray(at);
    lineStart -= at;
    at = 0;
    return piece;
  }

  return {
    push(chunk) {
      if (pending.length === 0) pending = chunk;
      else append(chunk);
      const events: SseEvent[] = [];
      while (at < pending.length) {
        const byte = pending[at];
        if (byte !== lf && byte !== cr) {
          at++;
          continue;
        }
        // Whether a CR is alone or half of a CRLF is known only with the byte behind it.
        if (byte === cr && at + 1 === pending.length) break;
        const next = byte === cr && pending[at + 1] === lf ? at + 2 : at + 1;
        const isEmptyLine = at === lineStart;
        at = next;
        lineStart = next;
        if (isEmptyLine) events.push(completeEventAt(next));
      }
      if (at > 0 && (isInPieces || pending.length > maxEventBytes)) events.push(cutPiece());
      return events;
    },
    rest: () => pending,
    isOpen: () => pending.length > 0 || isInPieces,
  };
}

const pieceOf = (raw: Uint8Array, { isLast }: { isLast: boolean }): SseEvent => ({
  raw,
  name: "",
  data: null,
  largeData: null,
  piece: { data: Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), isFirst: false, isLast },
});

const firstPieceOf = ({ raw, name, data, largeData }: SseEvent): SseEvent => ({
  raw,
  name,
  data: null,
  largeData: null,
  piece: { data: largeData ?? Buffer.from(data ?? ""), isFirst: true, isLast: false },
});

function parseEvent(raw: Uint8Array, isFirst: boolean): SseEvent {
  const hasMark = isFirst && byteOrderMark.every((byte, i) => raw[i] === byte);
  const skipped = hasMark ? 3 : 0;
  const bytes = Buffer.from(raw.buffer, raw.byteOffset + skipped, raw.byteLength - skipped);
  if (bytes.length > largeEventBytes) return parseLargeEvent(raw, bytes);
  let name = "";
  let data: string | null = null;
  for (const line of bytes.toString().split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") name = value;
    else if (field === "data") data = data === null ? value : `${data}\n${value}`;
  }
  return { raw, name, data, largeData: null, piece: null };
}

const maxNameBytes = 256;

/** The same, in bytes. Lines beyond the first thousand, and a name that is none, are left out. */
function parseLargeEvent(raw: Uint8Array, bytes: Buffer): SseEvent {
  let name = "";
  const lines: Buffer[] = [];
  let at = 0;
  let nextLf = bytes.indexOf(lf);
  let nextCr = bytes.indexOf(cr);
  for (let n = 0; n < maxLargeLines && at < bytes.length; n++) {
    if (nextLf !== -1 && nextLf < at) nextLf = bytes.indexOf(lf, at);
    if (nextCr !== -1 && nextCr < at) nextCr = bytes.indexOf(cr, at);
    const ends = [nextLf, nextCr].filter((end) => end !== -1);
    const end = ends.length > 0 ? Math.min(...ends) : bytes.length;
    const line = bytes.subarray(at, end);
    const value = (field: string) => line.subarray(line[field.length] === 0x20 ? field.length + 1 : field.length);
    if (startsWith(line, "data:")) lines.push(value("data:"));
    else if (startsWith(line, "event:") && line.length <= maxNameBytes) name = value("event:").toString();
    at = end + 1;
  }
  const [first] = lines;
  if (!first) return { raw, name, data: null, largeData: null, piece: null };
  const largeData = lines.length === 1 ? first : Buffer.concat(lines.flatMap((line) => [line, newLine]));
  return { raw, name, data: null, largeData, piece: null };
}

const newLine = Buffer.of(lf);

const startsWith = (line: Buffer, field: string): boolean => line.toString("latin1", 0, field.length) === field;
