/**
 * Tells by an answer's first bytes whether it is a stream of events. Servers and proxies between tell streams as text, as
 * nothing, or under two types, and whole answers as streams: whoever believed them would charge nothing for them.
 */
import type { UpstreamBody } from "./upstream-body.ts";

/** What the fields of an event begin with (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). */
const fields = ["data:", "event:", "id:", "retry:"];
const longestFieldBytes = 6;
/** Blank lines before the first event. */
const maxBlankBytes = 1_024;
const byteOrderMark = "\u00ef\u00bb\u00bf";

export const isEventStream = (contentType: string | string[] | undefined): boolean =>
  [contentType ?? []].flat().some((each) => each.trim().toLowerCase().startsWith("text/event-stream"));

/** Null: more bytes must tell. */
function kindOf(bytes: Buffer, isToldEvents: boolean, isAll: boolean): "events" | "whole" | null {
  const text = bytes.toString("latin1").replace(byteOrderMark, "").trimStart();
  const [first] = text;
  if (first === undefined) return isAll || bytes.length > maxBlankBytes ? (isToldEvents ? "events" : "whole") : null;
  if (isToldEvents) return first === "{" || first === "[" || first === "<" ? "whole" : "events";
  if (first === ":" || fields.some((field) => text.startsWith(field))) return "events";
  const isUndecided = text.length < longestFieldBytes && fields.some((field) => field.startsWith(text));
  return isUndecided && !isAll ? null : "whole";
}

/** Where an answer that is told as a stream says nothing for `patienceMs` it is one: its client is not kept waiting. */
export async function sniffAnswer(
  body: UpstreamBody,
  { isToldEvents, patienceMs }: { isToldEvents: boolean; patienceMs: number },
): Promise<"events" | "whole"> {
  let wantedBytes = 1;
  for (;;) {
    const { bytes, isAll } = await body.peek(wantedBytes, isToldEvents ? patienceMs : null);
    if (bytes.length < wantedBytes && !isAll) return "events";
    const kind = kindOf(bytes, isToldEvents, isAll);
    if (kind) return kind;
    wantedBytes = bytes.length + 1;
  }
}
