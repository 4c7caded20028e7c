/** Settles what a process of this data folder has left behind as soon as it has certainly died, and not a lease later. */
import type { Database } from "@codex-gateway/db";
import { closeInstance, settleForTheDead, type Ledger, type RecallResponse } from "@codex-gateway/ledger";
import type { Log } from "@codex-gateway/gateway";
import type { JobServices } from "./job-services.ts";
import { findDeadProcesses, forgetProcess } from "./process-marks.ts";
import type { Job } from "./schedule.ts";

/** Whoever was here before is settled for at once. */
export const deathWatch = (services: JobServices): Job => ({
  name: "death_watch",
  everyMs: 2_000,
  isDueAtStart: true,
  run: createDeathWatch(services.db, { ...services, ownInstanceId: services.instance.id }),
});

type DeathWatchParts = {
  dataFolder: string;
  spoolFolder: string;
  ownInstanceId: string;
  ledger: Ledger;
  recall: RecallResponse;
  /** Told once of each look that finds any. */
  onDeath: () => void;
  log: Log;
};

/** Returns what looks once; to be called again and again, and never twice at a time. It rejects where the database fails. */
function createDeathWatch(db: Pick<Database, "pool">, parts: DeathWatchParts): () => Promise<void> {
  const { dataFolder, spoolFolder, ownInstanceId, ledger, recall, onDeath, log } = parts;
  /** Those that may have left something still. */
  const dead = new Set<string>();
  const failures = new Map<string, number>();

  async function endLeases(): Promise<void> {
    const found = findDeadProcesses(dataFolder).filter((id) => id !== ownInstanceId);
    if (found.length === 0) return;
    for (const id of found) {
      await closeInstance(db, { id, epoch: 1n });
      forgetProcess(dataFolder, id);
      dead.add(id);
    }
    log("warn", "process_died", { instances: found });
    onDeath();
  }

  return async () => {
    await endLeases();
    if (dead.size === 0) return;
    const only = [...dead];
    const settled = await settleForTheDead(db, { ledger, spoolFolder, ownInstanceId, recall, failures, only });
    const { adopted, reaped, errors } = settled;
    if (adopted > 0) log("warn", "spool_adopted", { settlements: adopted });
    if (reaped > 0) log("warn", "orphans_settled", { holds: reaped });
    // What its last statements bring to light later is found by those who look for leases that have run out.
    if (adopted + reaped + errors.length === 0) dead.clear();
  };
}
