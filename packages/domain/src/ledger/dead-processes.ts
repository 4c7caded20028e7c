/** Settles for the processes that have died. */
import type { Database } from "@codex-gateway/db";
import { reapOrphans, type RecallResponse } from "./instance.ts";
import type { Ledger } from "./ledger.ts";
import { adoptSpools } from "./spool.ts";

type Parts = { ledger: Ledger; spoolFolder: string; ownInstanceId: string; recall: RecallResponse };

/**
 * What a dead process knew exactly comes before what can only be estimated: of one whose lease runs out in between, neither
 * is looked at. Answers how many holds were settled in each way.
 * @throws Error where the database cannot be asked
 */
export async function settleForTheDead(
  db: Pick<Database, "pool">,
  { ledger, spoolFolder, ownInstanceId, recall }: Parts,
): Promise<{ adopted: number; reaped: number }> {
  // As text: a Date would leave out what is less than a millisecond.
  const { rows } = await db.pool.query<{ now: string }>("SELECT now()::text");
  const dead = { deadAt: rows[0]?.now ?? null, except: ownInstanceId };
  const adopted = await adoptSpools(db, spoolFolder, ledger, dead);
  return { adopted, reaped: await reapOrphans(db, ledger, recall, dead) };
}
