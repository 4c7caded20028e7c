/** Settles for the processes that have died. */
import type { Database } from "@codex-gateway/db";
import { adoptSpools } from "./adopt-spools.ts";
import type { Ledger } from "../ledger.ts";
import { reapOrphans, type RecallResponse } from "./orphans.ts";

type Parts = {
  ledger: Ledger;
  spoolFolder: string;
  ownInstanceId: string;
  recall: RecallResponse;
  /** How often the logs of dead processes could not be settled from, by their instance; kept by the caller. */
  failures?: Map<string, number>;
  /** Asked with the database's clock before anything is done. */
  mayReap?: (databaseNowMs: number) => boolean;
  /** Of these alone, which are known to have died; null: of all whose leases have run out. */
  only?: readonly string[] | null;
};

export type SettledForTheDead = {
  /** Holds that were settled by what a dead process had written down, */
  adopted: number;
  /** and by estimate. */
  reaped: number;
  /** Lines that could not be read. */
  unread: number;
  errors: unknown[];
};

/** So often a log is tried again before its process's holds are settled without it: an entry can still correct them. */
const adoptAttempts = 3;

/**
 * What a dead process knew exactly comes before what can only be estimated: of one whose lease runs out in between, neither
 * is looked at. A log that cannot be settled from keeps nobody else's holds open, and its own process's only for a while.
 * @throws Error where the database cannot be asked
 */
export async function settleForTheDead(
  db: Pick<Database, "pool">,
  { ledger, spoolFolder, ownInstanceId, recall, failures = new Map(), mayReap = () => true, only = null }: Parts,
): Promise<SettledForTheDead> {
  // As text: a Date would leave out what is less than a millisecond.
  const { rows } = await db.pool.query<{ now: string; now_ms: number }>(
    "SELECT now()::text, extract(epoch FROM now())::float8 * 1000 AS now_ms",
  );
  const now = rows[0];
  if (!now || !mayReap(now.now_ms)) return { adopted: 0, reaped: 0, unread: 0, errors: [] };
  const dead = { deadAt: now.now, except: ownInstanceId, only };
  const { settled, unread, failed } = await adoptSpools(db, spoolFolder, ledger, dead);
  for (const { instanceId } of failed) failures.set(instanceId, (failures.get(instanceId) ?? 0) + 1);
  const later = failed.map(({ instanceId }) => instanceId).filter((id) => (failures.get(id) ?? 0) < adoptAttempts);
  const reaped = await reapOrphans(db, ledger, recall, { ...dead, later });
  const errors = [...failed.map(({ error }) => error), ...reaped.errors];
  return { adopted: settled, reaped: reaped.settled, unread, errors };
}
