/** When an upstream may be asked again, as it says (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after). */
import type { IncomingHttpHeaders } from "node:http";

const maxRetryAfterMs = 24 * 60 * 60 * 1_000;
const plainNumber = /^\d{1,12}(?:\.\d{1,9})?$/;

/** Seconds, a date, or milliseconds; undefined for what is none of these, has passed, or is no number of this world. */
export function readRetryAfterMs(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const waitMs =
    readNumber(headers["retry-after-ms"], 1) ?? readNumber(headers["retry-after"], 1_000) ?? readDate(headers, nowMs);
  return waitMs !== undefined && waitMs > 0 ? Math.min(Math.ceil(waitMs), maxRetryAfterMs) : undefined;
}

function readNumber(header: string | string[] | undefined, unitMs: number): number | undefined {
  if (typeof header !== "string" || !plainNumber.test(header.trim())) return undefined;
  return Number(header) * unitMs;
}

function readDate({ "retry-after": header }: IncomingHttpHeaders, nowMs: number): number | undefined {
  if (typeof header !== "string" || !/^[A-Z][a-z]{2}/.test(header)) return undefined;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : atMs - nowMs;
}
