/**
 * Debts: what calls have cost beyond what could be held and taken. Whoever runs the gateway is told of each one that is
 * new, and again when it has doubled, or was paid and there is one anew.
 */
import type { Database } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { decideAlerts } from "./alert.ts";

/** So many users in one alert; the others are in the next one. */
const maxUsers = 100;

/** A notice says what was owed when it was told, and at which entry; entries behind it tell whether it was paid since then. */
const newDebts = `WITH owed AS (
    SELECT a.id, a.seq, a.user_id, u.email, a.balance_nano_usd AS debt
    FROM account a JOIN "user" u ON u.id = a.user_id LEFT JOIN low_balance_notice n ON n.account_id = a.id
    WHERE a.kind = 'receivable' AND a.balance_nano_usd > 0
      AND (n.account_id IS NULL OR a.seq > n.account_seq AND (a.balance_nano_usd >= 2 * n.balance_nano_usd OR EXISTS (
        SELECT 1 FROM ledger_entry e
        WHERE e.account_id = a.id AND e.account_seq > n.account_seq AND e.balance_after_nano_usd = 0)))
    ORDER BY a.id LIMIT ${maxUsers}
  ), noted AS (
    INSERT INTO low_balance_notice (account_id, account_seq, balance_nano_usd) SELECT id, seq, debt FROM owed
    ON CONFLICT (account_id) DO UPDATE SET account_seq = excluded.account_seq,
      balance_nano_usd = excluded.balance_nano_usd, told_at = now()
  )
  SELECT user_id, email, debt FROM owed ORDER BY email`;

export async function noteDebts(db: Pick<Database, "pool">): Promise<void> {
  await decideAlerts(db, async (client, raise) => {
    const { rows } = await client.query<{ user_id: string; email: string; debt: bigint }>(newDebts);
    if (rows.length === 0) return;
    await raise("debt", {
      users: rows.map(({ user_id, email, debt }) => ({ userId: user_id, email, debtUsd: usdOf(debt) })),
    });
  });
}

/** `users`: how many owe something. */
export type Debts = { users: number; totalNanoUsd: bigint };

export async function readDebts({ pool }: Pick<Database, "pool">): Promise<Debts> {
  const { rows } = await pool.query<{ users: number; total: bigint }>(
    `SELECT count(*)::int AS users, coalesce(sum(balance_nano_usd), 0)::bigint AS total
     FROM account WHERE kind = 'receivable' AND balance_nano_usd > 0`,
  );
  return { users: rows[0]?.users ?? 0, totalNanoUsd: rows[0]?.total ?? 0n };
}
