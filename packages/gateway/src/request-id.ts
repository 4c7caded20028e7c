/** Ids of requests: UUID version 7 (RFC 9562), so that they sort by time and index well. */
import { randomBytes } from "node:crypto";

const poolBytes = 10 * 256;
let pool = Buffer.alloc(0);
let at = 0;

/** A new id; `nowMs` is its time, in ms since the epoch. Randomness is drawn in blocks: one system call for 256 ids. */
export function createRequestId(nowMs = Date.now()): string {
  if (at >= pool.length) {
    pool = randomBytes(poolBytes);
    at = 0;
  }
  const random = pool.toString("hex", at, at + 10);
  at += 10;
  const time = nowMs.toString(16).padStart(12, "0");
  const variant = "89ab"[Number.parseInt(random[3] ?? "0", 16) & 3];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`;
}
