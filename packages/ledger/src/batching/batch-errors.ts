/** How the database's refusal of a batch is to be answered. */

/**
 * `locked`: somebody else keeps a row for longer than a batch may wait. `deadlock`: the same batch may go through when it is
 * sent again. `data`: an order is at fault, and will be each time. `other`: the database, or the way to it; sent twice,
 * nothing changes.
 */
export type BatchErrorKind = "locked" | "deadlock" | "data" | "other";

const lockNotAvailable = "55P03";
const deadlockOrConflict = /^(40P01|40001)$/;
/** Data exceptions, violated constraints and check options, and what a trigger refuses. */
const dataErrors = /^(22|23|44)|^P0001$/;

/** Which error it is, without what it says of values. */
export const codeOf = (error: unknown): string => {
  const { code, name = "Error" } = error as { code?: unknown; name?: string };
  return typeof code === "string" ? code : name;
};

export function kindOfBatchError(error: unknown): BatchErrorKind {
  // A value that cannot be written in binary is found before anything is sent.
  if (error instanceof RangeError || error instanceof TypeError) return "data";
  const { code = "" } = error as { code?: unknown };
  if (typeof code !== "string") return "other";
  if (code === lockNotAvailable) return "locked";
  if (deadlockOrConflict.test(code)) return "deadlock";
  return dataErrors.test(code) ? "data" : "other";
}
