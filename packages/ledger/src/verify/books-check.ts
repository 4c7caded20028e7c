/** `verify` in production: one process at a time, once per interval, its word kept where all of them read it. */
import { randomUUID } from "node:crypto";
import { advisoryLocks, type Database, type Queryable } from "@codex-gateway/db";
import type { OpenPrice } from "../stored-price.ts";
import { verifyLedger, type Finding, type VerifyOptions } from "./verify.ts";

type BooksCheck = { isSound: boolean; startedAt: Date; finishedAt: Date; findings: Finding[] };

/** What the newest check came to; null: there was none yet. */
export async function readBooksCheck({ pool }: { pool: Queryable }): Promise<BooksCheck | null> {
  type Row = { is_sound: boolean; started_at: Date; finished_at: Date; findings: Finding[] };
  const { rows } = await pool.query<Row>(
    "SELECT is_sound, started_at, finished_at, findings FROM books_check ORDER BY finished_at DESC LIMIT 1",
  );
  const row = rows[0];
  if (!row) return null;
  return { isSound: row.is_sound, startedAt: row.started_at, finishedAt: row.finished_at, findings: row.findings };
}

/** Checks the books where the newest check is older than `everyMs`. Null: none is due, or another process is at it. */
export async function checkBooksIfDue(
  { pool }: Pick<Database, "pool">,
  { openPrice, everyMs, ...options }: VerifyOptions & { openPrice: OpenPrice; everyMs: number },
): Promise<BooksCheck | null> {
  const client = await pool.connect();
  let limit: string | undefined;
  try {
    // Of the session, not of a transaction: one that stays open for minutes would keep old versions of every row.
    const { rows } = await client.query<{ is_mine: boolean }>("SELECT pg_try_advisory_lock($1) AS is_mine", [
      advisoryLocks.booksCheck,
    ]);
    if (rows[0]?.is_mine !== true) return null;
    // A chunk of it may look at every open hold; it is given back with the lock.
    limit = (await client.query<{ limit: string }>("SELECT current_setting('statement_timeout') AS limit")).rows[0]
      ?.limit;
    await client.query("SET statement_timeout = 0");
    const newest = await readBooksCheck({ pool: client });
    const startedAt = new Date();
    if (newest && startedAt.getTime() - newest.finishedAt.getTime() < everyMs) return null;
    const findings = await verifyLedger({ pool: client }, openPrice, options);
    const check = {
      isSound: findings.every(({ breaches }) => breaches === 0),
      startedAt,
      finishedAt: new Date(),
      findings,
    };
    await client.query(
      "INSERT INTO books_check (id, started_at, finished_at, is_sound, findings) VALUES ($1, $2, $3, $4, $5)",
      [randomUUID(), check.startedAt, check.finishedAt, check.isSound, JSON.stringify(findings)],
    );
    return check;
  } finally {
    const isUnlocked = await client
      .query(`SET statement_timeout = '${limit ?? 0}'; SELECT pg_advisory_unlock(${advisoryLocks.booksCheck})`)
      .then(
        () => true,
        () => false,
      );
    client.release(!isUnlocked);
  }
}
