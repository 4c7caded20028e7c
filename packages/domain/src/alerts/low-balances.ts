/** Tells of each balance that has gone below the threshold: once, and again only after it was above. */
import type { Database } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { decideAlerts } from "./alert.ts";

/** So many users in one alert; the others are in the next one. */
const maxUsers = 100;

/**
 * Balances rise by credits alone, so that the entries of credits tell whether a balance was ever above. Wallets that
 * never were (a new user without a gift) are no news.
 */
const newlyLow = `WITH low AS (
    SELECT a.id, a.seq, a.user_id, u.email, a.balance_nano_usd AS balance
    FROM account a JOIN "user" u ON u.id = a.user_id LEFT JOIN low_balance_notice n ON n.account_id = a.id
    WHERE a.kind = 'wallet' AND a.seq > 0 AND u.status = 'active' AND a.balance_nano_usd < $1
      AND (n.balance_nano_usd >= $1 OR EXISTS (
        SELECT 1 FROM (
          SELECT id, 'adjustment'::entry_kind AS kind FROM adjustment WHERE account_id = a.id
          UNION ALL SELECT id, 'top_up' FROM top_up WHERE account_id = a.id) credit
        JOIN ledger_entry e ON e.kind = credit.kind AND e.ref = credit.id AND e.account_id = a.id
        WHERE e.account_seq > coalesce(n.account_seq, 0) AND e.balance_after_nano_usd >= $1))
    ORDER BY a.id LIMIT ${maxUsers}
  ), noted AS (
    INSERT INTO low_balance_notice (account_id, account_seq, balance_nano_usd) SELECT id, seq, balance FROM low
    ON CONFLICT (account_id) DO UPDATE SET account_seq = excluded.account_seq,
      balance_nano_usd = excluded.balance_nano_usd, told_at = now()
  )
  SELECT user_id, email, balance FROM low ORDER BY email`;

export async function noteLowBalances(db: Pick<Database, "pool">): Promise<void> {
  await decideAlerts(db, async (client, raise, { lowBalanceNanoUsd }) => {
    const { rows } = await client.query<{ user_id: string; email: string; balance: bigint }>(newlyLow, [
      lowBalanceNanoUsd,
    ]);
    if (rows.length === 0) return;
    await raise("low_balance", {
      thresholdUsd: usdOf(BigInt(lowBalanceNanoUsd)),
      users: rows.map(({ user_id, email, balance }) => ({ userId: user_id, email, balanceUsd: usdOf(balance) })),
    });
  });
}
