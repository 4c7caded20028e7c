/** Finds open holds of processes that have no row any more, and gives these one, so that they are reaped if they are dead. */
import { restoreInstances } from "@codex-gateway/ledger";
import type { JobServices } from "./job-services.ts";
import type { Job } from "./schedule.ts";

/** No call is under way for longer than its instance can have been lost for. */
const lostAgeMs = 2 * 60 * 60_000;
/** At the start, for those that were lost while nobody ran. */
const firstLostAgeMs = 24 * 60 * 60_000;

export function restoreLostInstances({ db, log }: JobServices): Job {
  let maxAgeMs = firstLostAgeMs;
  const run = async () => {
    const restored = await restoreInstances(db, maxAgeMs);
    maxAgeMs = lostAgeMs;
    if (restored > 0) log("warn", "instances_restored", { instances: restored });
  };
  return { name: "restore_instances", everyMs: 10 * 60_000, isDueAtStart: true, run };
}
