const codes =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|ENOENT|ENOTFOUND|ETIMEDOUT|EPIPE|08\w{3}|57P0[1-3]|P10(?:01|02|08|17)|P2024)$/;
const messages = new RegExp(
  [
    "ECONNREFUSED|ECONNRESET|Connection terminated|terminating connection|closed the connection",
    "timeout exceeded when trying to connect|timeout expired|Query read timeout|Can't reach database",
    "the database system is (?:starting up|shutting down|not yet accepting|in recovery mode)",
  ].join("|"),
  "i",
);

/** A connection that is refused, lost or not there in time, or a database that starts, as `pg` and Prisma tell it. */
export const isDatabaseDown = (error: unknown): boolean =>
  codes.test(String((error as { code?: unknown }).code)) || messages.test((error as Error).message);

/**
 * A value that the input's own rules let through and PostgreSQL does not take: a number or a date out of range (22003,
 * 22008), a character that it does not keep (22021, 22P05), a time zone that it does not know (22023). Whoever sent it
 * can send another one.
 */
export function isDataException(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === "22023") return /time zone/i.test(String(message));
  return /^22(?:003|008|021|P05)$/.test(String(code));
}
