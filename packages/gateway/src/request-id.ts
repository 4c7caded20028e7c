/** Ids of requests: UUID version 7 (RFC 9562), so that they sort by time and index well. */
import { randomBytes } from "node:crypto";

const hexDigits = "0123456789abcdef";
const randomHexDigits = 20;
/** Randomness is drawn in blocks: one system call for 256 ids. */
const idsPerBlock = 256;
let block = "";
let at = 0;

/** The time of the id before: of many ids in one millisecond, only the first one has its time written out. */
let writtenMs = Number.NaN;
let time = "";

/** A new id; `nowMs` is its time, in whole ms since the epoch. */
export function createRequestId(nowMs = Date.now()): string {
  if (at >= block.length) {
    block = randomBytes((idsPerBlock * randomHexDigits) / 2).toString("hex");
    at = 0;
  }
  if (nowMs !== writtenMs) {
    const digits = nowMs.toString(16).padStart(12, "0");
    time = `${digits.slice(0, 8)}-${digits.slice(8)}`;
    writtenMs = nowMs;
  }
  const variant = "89ab"[hexDigits.indexOf(block.charAt(at)) & 3];
  const id = `${time}-7${block.slice(at + 1, at + 4)}-${variant}${block.slice(at + 4, at + 7)}-${block.slice(at + 7, at + 19)}`;
  at += randomHexDigits;
  return id;
}
