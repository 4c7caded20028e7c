/** A wallet's balance as an act finds and leaves it. */
import type { Queryable } from "@codex-gateway/db";

/**
 * Reads a wallet's balance, nano-USD, and keeps others from moving it until the transaction ends; rows that refer to the
 * wallet may still be written. Taken before any row that refers to the wallet is written: such a row locks the wallet as
 * well, weakly, and two who had that would wait for each other.
 */
export async function lockBalance(client: Queryable, accountId: string): Promise<bigint> {
  const { rows } = await client.query<{ balance: bigint }>(
    "SELECT balance_nano_usd AS balance FROM account WHERE id = $1 FOR NO KEY UPDATE",
    [accountId],
  );
  if (!rows[0]) throw new Error(`There is no account ${accountId}.`);
  return rows[0].balance;
}
