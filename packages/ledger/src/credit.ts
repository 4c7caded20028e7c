/** Money that comes in or is taken back by an admin. Each source id counts once, however often it is sent. */
import { randomUUID } from "node:crypto";
import { inTransaction, type Database, type Queryable } from "@codex-gateway/db";
import { lockBalance } from "./balance.ts";

export type CreditOutcome = "credited" | "already_credited" | "below_zero";

export type Adjustment = {
  accountId: string;
  /** Above zero adds, below zero takes. */
  amountNanoUsd: bigint;
  /** Names the act, e.g. `admin` and the id of the submitted form. */
  source: string;
  sourceId: string;
  /** true where the user paid for it: it then counts as revenue. */
  isPaid: boolean;
  note: string;
  actorId: string | null;
};

/**
 * Adjusts a wallet once, within the caller's transaction. `below_zero`: the free balance does not cover what would be
 * taken; nothing was, and the transaction has to be given up.
 */
export async function adjust(client: Queryable, adjustment: Adjustment): Promise<CreditOutcome> {
  const id = randomUUID();
  await lockBalance(client, adjustment.accountId);
  const inserted = await client.query(
    `INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid, note, actor_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (source, source_id) DO NOTHING`,
    [
      id,
      adjustment.accountId,
      adjustment.source,
      adjustment.sourceId,
      String(adjustment.amountNanoUsd),
      adjustment.isPaid,
      adjustment.note,
      adjustment.actorId,
    ],
  );
  if (inserted.rowCount === 0) return "already_credited";
  const { rows } = await client.query<{ done: boolean }>("SELECT credit($1, 'adjustment', $2, $3) AS done", [
    adjustment.accountId,
    id,
    String(adjustment.amountNanoUsd),
  ]);
  return rows[0]?.done === true ? "credited" : "below_zero";
}

/** Adjusts a wallet once, in a transaction of its own. */
export async function adjustBalance(db: Pick<Database, "pool">, adjustment: Adjustment): Promise<CreditOutcome> {
  return inTransaction(
    db,
    (client) => adjust(client, adjustment),
    (outcome) => outcome === "credited",
  );
}
