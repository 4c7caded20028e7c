/** Finds the accounts that somebody else is at, without waiting for one of them. */
import type { Database } from "@codex-gateway/db";

/**
 * An account's rows are its user's wallet and debt, and the allowances of the wallet and its keys. Each row that is free is
 * locked for the length of this statement.
 */
const lockedSql = `WITH asked AS MATERIALIZED (
    SELECT id, user_id FROM account WHERE id = ANY ($1::uuid[])
  ), account_row AS MATERIALIZED (
    SELECT a.id, asked.id AS asked_id FROM asked JOIN account a USING (user_id)
  ), allowance_row AS MATERIALIZED (
    SELECT w.subject_id AS id, asked.id AS asked_id FROM asked JOIN allowance w ON w.subject_id = asked.id
    UNION ALL
    SELECT w.subject_id, asked.id FROM asked JOIN api_key k USING (user_id) JOIN allowance w ON w.subject_id = k.id
  ), free_account AS MATERIALIZED (
    SELECT id FROM account WHERE id IN (SELECT id FROM account_row) FOR NO KEY UPDATE SKIP LOCKED
  ), free_allowance AS MATERIALIZED (
    SELECT subject_id AS id FROM allowance WHERE subject_id IN (SELECT id FROM allowance_row) FOR NO KEY UPDATE SKIP LOCKED
  )
  SELECT asked_id FROM account_row WHERE id NOT IN (SELECT id FROM free_account)
  UNION SELECT asked_id FROM allowance_row WHERE id NOT IN (SELECT id FROM free_allowance)`;

/** @throws Error where the database does not answer */
export async function findLockedAccounts(pool: Database["pool"], accountIds: string[]): Promise<Set<string>> {
  if (accountIds.length === 0) return new Set();
  const { rows } = await pool.query<{ asked_id: string }>(lockedSql, [accountIds]);
  return new Set(rows.map(({ asked_id }) => asked_id));
}
