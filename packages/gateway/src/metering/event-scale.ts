/**
 * Weighs the events of one stream: about the most tokens that each can carry. Of events of about one size the first one is
 * read, and then one of some: how much of them is text, and how much is what it is wrapped in. All others cost a
 * subtraction. A provider that packs many words into an event is weighed by its words, one that sends single words by
 * these.
 */
import type { SseEvent } from "../transport/sse.ts";
import { textOfEvent } from "./output-text.ts";

/** So much of a text is a token, at least, in nearly all that models write. */
const bytesPerToken = 2;
/** Sizes that are taken as one: 128 bytes. */
const sizeShift = 7;
/** One of so many of about one size is read. */
const readEvery = 32;

export function createEventScale(): (event: Pick<SseEvent, "raw" | "data">) => number {
  /** By size: how many came, and the least that their text was wrapped in. */
  const counts: number[] = [];
  const wraps: number[] = [];
  return ({ raw, data }) => {
    // No string was made of it: it is large.
    if (data === null) return raw.length / bytesPerToken;
    const size = raw.length >> sizeShift;
    const count = counts[size] ?? 0;
    counts[size] = count + 1;
    let wrapBytes = wraps[size] ?? Infinity;
    if (count % readEvery === 0) {
      wrapBytes = Math.min(wrapBytes, raw.length - Buffer.byteLength(textOfEvent(data)));
      wraps[size] = wrapBytes;
    }
    return Math.max(1, (raw.length - wrapBytes) / bytesPerToken);
  };
}
