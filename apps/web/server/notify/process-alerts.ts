/** Tells whoever runs the gateway what has befallen its processes; many events of a kind in one alert. */
import type { Database } from "@codex-gateway/db";
import { raiseEvent, type ProcessDeath } from "@codex-gateway/domain";
import type { CaughtFault } from "../observability/last-guard.ts";

export type ProcessAlerts = {
  fault(fault: CaughtFault): void;
  death(death: ProcessDeath): void;
  /** Writes what is to be told; what may not be told yet is told later. @throws Error where the database does not answer */
  tell(): Promise<void>;
};

/** Between two alerts of a kind, of all processes. */
const quietMs = 10 * 60_000;
/** What could not be told is tried again after this time. */
const againMs = 30_000;

export function createProcessAlerts(
  db: Pick<Database, "pool">,
  { quietMs: quiet = quietMs, nowMs = Date.now }: { quietMs?: number; nowMs?: () => number } = {},
): ProcessAlerts {
  let faults: { last: CaughtFault; count: number } | null = null;
  let death: ProcessDeath | null = null;
  let nextMs = 0;

  async function tellFaults(): Promise<void> {
    if (!faults) return;
    const { last, count } = faults;
    const { name, code, frames } = last;
    const facts = { name, code, place: frames[0] ?? null, faults: count };
    if (!(await raiseEvent(db, "process_fault", facts, { quietMs: quiet }))) return;
    // Some may have come meanwhile.
    faults = faults.count > count ? { last: faults.last, count: faults.count - count } : null;
  }

  async function tellDeath(): Promise<void> {
    if (!death) return;
    const told = death;
    await raiseEvent(db, "process_restarted", told, { quietMs: quiet });
    if (death === told) death = null;
  }

  return {
    fault: (fault) => {
      if (!faults) nextMs = 0;
      faults = { last: fault, count: (faults?.count ?? 0) + 1 };
    },
    death: (seen) => {
      nextMs = 0;
      death = seen;
    },
    tell: async () => {
      if ((!faults && !death) || nowMs() < nextMs) return;
      nextMs = nowMs() + againMs;
      await tellDeath();
      await tellFaults();
    },
  };
}
