/** Gives back what was charged without knowing it exactly: the call's process died, its stream broke off, no usage came. */
import type { Database } from "@codex-gateway/db";
import { adjust, lockBalance, usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";

/** An adjustment of this source refers to the charge by its request id: there can be one. */
export const refundSource = "refund";

/**
 * Credits the whole cost of a charge, once; a debt is paid with it first. The charge and the user's usage stay as they are.
 * @throws AppError `not_found`; `conflict` where the charge is exact, costs nothing, or was given back before
 */
export async function refundCharge(
  db: Pick<Database, "pool">,
  { requestId, actor }: { requestId: string; actor: Actor },
): Promise<{ amountUsd: string }> {
  return recordAct(db, actor, async (client) => {
    const found = await client.query<{ account_id: string }>("SELECT account_id FROM charge WHERE hold_id = $1", [
      requestId,
    ]);
    const accountId = found.rows[0]?.account_id;
    if (accountId === undefined) throw new AppError("not_found", "The charge does not exist.");
    // A true-up, which makes an estimate exact, is written under this lock too.
    const before = await lockBalance(client, accountId);
    const { rows } = await client.query<{ account_id: string; user_id: string; cost: bigint; basis: string }>(
      `SELECT c.account_id, a.user_id, c.cost_nano_usd AS cost, c.basis
       FROM corrected_charge c JOIN account a ON a.id = c.account_id WHERE c.hold_id = $1`,
      [requestId],
    );
    const charge = rows[0];
    if (!charge) throw new AppError("not_found", "The charge does not exist.");
    if (charge.basis === "exact") throw new AppError("conflict", "An exact charge is not refunded.");
    if (charge.cost === 0n) throw new AppError("conflict", "The charge cost nothing.");
    const outcome = await adjust(client, {
      accountId: charge.account_id,
      amountNanoUsd: charge.cost,
      source: refundSource,
      sourceId: requestId,
      isPaid: false,
      note: "",
      actorId: actor.userId,
    });
    if (outcome !== "credited") throw new AppError("conflict", "The charge was refunded before.");
    const amountUsd = usdOf(charge.cost);
    const after = await lockBalance(client, charge.account_id);
    return {
      act: {
        action: "refund_charge",
        targetKind: "user",
        targetId: charge.user_id,
        before: { balanceUsd: usdOf(before) },
        after: { balanceUsd: usdOf(after) },
        details: { requestId, amountUsd },
      },
      result: { amountUsd },
    };
  });
}
