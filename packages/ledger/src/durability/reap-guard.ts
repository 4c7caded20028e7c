/**
 * Says when a process may take others for dead. A lease that has run out says so only to whoever was awake meanwhile: where
 * all processes of a machine have slept, or the database's clock was set, every lease has run out, and each process waits
 * until the others have had the time to renew theirs.
 */
import { heartbeatMs, leaseMs } from "./instance.ts";

export type ReapGuard = {
  /** After each heartbeat, with the database's clock. */
  renewed(databaseNowMs: number): void;
  /** After a heartbeat that the database did not take. */
  failed(): void;
  /** To be asked, with the database's clock, just before others are looked for. */
  mayReap(databaseNowMs: number): boolean;
};

/** A heartbeat that is so late has stood still, */
const lateMs = 2 * heartbeatMs;
/** and clocks that differ by so much since then have jumped. */
const jumpMs = heartbeatMs;

/** `now` is a clock in milliseconds that nobody sets. */
export function createReapGuard(now: () => number = () => performance.now()): ReapGuard {
  // After an outage of the database every lease has run out: all processes first get the time to renew theirs.
  let notBeforeMs = now() + leaseMs / 2;
  let beat: { atMs: number; databaseNowMs: number } | null = null;

  const waitFor = (ms: number) => {
    notBeforeMs = Math.max(notBeforeMs, now() + ms);
  };

  function hasSlept(atMs: number, databaseNowMs: number): boolean {
    if (!beat) return false;
    const sinceMs = atMs - beat.atMs;
    return sinceMs > lateMs || Math.abs(databaseNowMs - beat.databaseNowMs - sinceMs) > jumpMs;
  }

  return {
    renewed: (databaseNowMs) => {
      const atMs = now();
      if (hasSlept(atMs, databaseNowMs)) waitFor(leaseMs);
      beat = { atMs, databaseNowMs };
    },
    failed: () => waitFor(leaseMs / 2),
    mayReap: (databaseNowMs) => {
      const atMs = now();
      if (hasSlept(atMs, databaseNowMs)) waitFor(leaseMs);
      return beat !== null && atMs >= notBeforeMs;
    },
  };
}
