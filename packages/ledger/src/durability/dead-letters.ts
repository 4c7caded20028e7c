/**
 * What the ledger could not enter as it was: kept whole, told to whoever runs the gateway, and not tried again. It holds ids
 * and figures, no prompt and no answer.
 */
import { createHash } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { storableText } from "../clamp.ts";

export type DeadLetter = {
  /** Null where the line does not say it. */
  holdId: string | null;
  /** Of the log that the line stood in; null: it came from a call. */
  instanceId: string | null;
  line: Uint8Array;
  reason: string;
  /**
   * `exact`: charged at its cost, without the details. `estimate`: charged by what is known of the hold. `released`: the
   * hold was given back. `open`: the hold stands, for whoever runs the gateway to mend. `unread`: the line was passed over.
   */
  outcome: "exact" | "estimate" | "released" | "open" | "unread";
};

const mostReasonCharacters = 500;
/** A line is some hundred bytes; of what is no line, the beginning tells what it is. */
const mostLineBytes = 64 * 1024;

/** Writes it down, once however often it is found. @throws Error where the database does not take it */
export async function recordDeadLetter({ pool }: Pick<Database, "pool">, letter: DeadLetter): Promise<void> {
  const { holdId, instanceId, line, reason, outcome } = letter;
  await pool.query(
    `INSERT INTO dead_letter (id, hold_id, instance_id, line, reason, outcome) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (id) DO NOTHING`,
    [idOf(line), holdId, instanceId, line.subarray(0, mostLineBytes), shownReason(reason), outcome],
  );
}

/** Of the line, so that two processes that find it write it down once. */
function idOf(line: Uint8Array): string {
  const hex = createHash("sha256").update(line).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

const shownReason = (reason: string): string => storableText(reason).slice(0, mostReasonCharacters);
