/** Tells whoever runs the gateway of service tiers that an upstream served and that have no price here. */
import type { Database } from "@codex-gateway/db";
import { raiseEvent } from "@codex-gateway/domain";

export type UnknownTiers = {
  /** Counts a charge in memory; costs no more than a look into a map. */
  note(model: string, serviceTier: string): void;
  /** Writes what is to be told; what may not be told yet is told later. @throws Error where the database does not answer */
  tell(): Promise<void>;
};

/** Between two alerts, of all processes. */
const quietMs = 6 * 3_600_000;
/** What could not be told is tried again after this time. */
const againMs = 60_000;
const maxPairs = 50;

export function createUnknownTiers(
  db: Pick<Database, "pool">,
  { nowMs = Date.now }: { nowMs?: () => number } = {},
): UnknownTiers {
  let seen = new Map<string, { model: string; serviceTier: string; requests: number }>();
  let nextMs = 0;
  return {
    note: (model, serviceTier) => {
      const key = `${model} ${serviceTier}`;
      const pair = seen.get(key);
      if (pair) pair.requests++;
      else if (seen.size < maxPairs) seen.set(key, { model, serviceTier, requests: 1 });
    },
    tell: async () => {
      if (seen.size === 0 || nowMs() < nextMs) return;
      nextMs = nowMs() + againMs;
      const told = seen;
      seen = new Map();
      const isTold = await raiseEvent(db, "unknown_service_tiers", { tiers: [...told.values()] }, { quietMs }).catch(
        (error: unknown) => {
          seen = told;
          throw error;
        },
      );
      // Some may have come meanwhile; they are told with these the next time.
      if (!isTold) for (const [key, pair] of told) if (!seen.has(key)) seen.set(key, pair);
    },
  };
}
