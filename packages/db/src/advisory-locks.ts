import type { Queryable } from "./transaction.ts";

/**
 * Every advisory lock of the database, so that no two purposes share a number by accident. A number stays as it is: while
 * two versions run side by side, it is what they exclude each other by.
 */
export const advisoryLocks = {
  /** Schema changes; the number that Prisma's own migrate takes. */
  migrations: 72_707_369,
  /** The role of the running gateway is made or changed. */
  appRole: 72_707_370,
  /** The first owner is made, or the token that makes one. */
  setup: 7_305_111,
  /** A line of the audit log is appended: `append_audit` takes it. */
  auditLog: 7_305_112,
  /** It is decided which alerts are due. */
  alerts: 7_305_113,
  /** Versions of prices are added. */
  priceBook: 7_305_114,
  /** Settings are saved. */
  settings: 7_305_115,
  /** The books are checked: of a session, as that takes minutes. */
  booksCheck: 7_305_140,
  /** The head of the books is kept: of a session. */
  booksHead: 7_305_141,
} as const;

/** Waits for the lock, and keeps it until the transaction ends. */
export async function lockInTransaction(client: Queryable, name: keyof typeof advisoryLocks): Promise<void> {
  await client.query("SELECT pg_advisory_xact_lock($1)", [advisoryLocks[name]]);
}
