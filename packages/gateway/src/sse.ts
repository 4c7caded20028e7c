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
  /** The `data` lines joined by LF; null where there is none (a comment, a keep-alive). */
  data: string | null;
};

export type SseSplitter = {
  /** Takes the next bytes; returns the events that they complete. */
  push(chunk: Uint8Array): SseEvent[];
  /** What is left at the end of the stream: bytes of an event that was never completed. */
  rest(): Uint8Array;
};

const lf = 10;
const cr = 13;
const byteOrderMark = [0xef, 0xbb, 0xbf];
const nothing = new Uint8Array(0);

/** One event may have `maxEventBytes`. @throws RangeError from `push` above that */
export function createSseSplitter(maxEventBytes = 16 * 1024 * 1024): SseSplitter {
  /** The bytes that no event was made of yet; a view on a chunk, or on `store` once an event spans chunks. */
  let pending: Uint8Array = nothing;
  let store: Uint8Array = nothing;
  /** Where the search goes on in `pending`; everything before it was seen. */
  let at = 0;
  let lineStart = 0;
  let isFirst = true;

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
    const event = parseEvent(pending.subarray(0, end), isFirst);
    isFirst = false;
    pending = pending.subarray(end);
    at = 0;
    lineStart = 0;
    return event;
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
      if (pending.length > maxEventBytes) throw new RangeError(`An event of more than ${maxEventBytes} bytes.`);
      return events;
    },
    rest: () => pending,
  };
}

function parseEvent(raw: Uint8Array, isFirst: boolean): SseEvent {
  const hasMark = isFirst && byteOrderMark.every((byte, i) => raw[i] === byte);
  const text = Buffer.from(
    raw.buffer,
    raw.byteOffset + (hasMark ? 3 : 0),
    raw.byteLength - (hasMark ? 3 : 0),
  ).toString();
  let name = "";
  let data: string | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") name = value;
    else if (field === "data") data = data === null ? value : `${data}\n${value}`;
  }
  return { raw, name, data };
}
