/** What one process does beside its calls, so that holds, spooled settlements and stale answers never lie about. */
import type { Database } from "@codex-gateway/db";
import {
  forgetExpiredAnswers,
  heartbeatMs,
  leaseMs,
  renewLease,
  settleForTheDead,
  type createKeyRing,
  type createLedger,
  type openInstance,
  type openSpool,
  type RecallResponse,
} from "@codex-gateway/domain";
import type { Log } from "@codex-gateway/gateway";

const refreshMs = 30_000;
const reapMs = 2_000;
const replayMs = 1_000;
const forgetMs = 60_000;

type JobParts = {
  instance: Awaited<ReturnType<typeof openInstance>>;
  ledger: ReturnType<typeof createLedger>;
  spool: ReturnType<typeof openSpool>;
  spoolFolder: string;
  keys: ReturnType<typeof createKeyRing>;
  refresh: (topic: null) => Promise<void>;
  recall: RecallResponse;
  log: Log;
};

/** The lease every 5 s, the reaper every 2 s, the spool every second, what is known every 30 s in case word of a change was lost. */
export function startJobs(db: Database, parts: JobParts): { stop(): void } {
  const { instance, ledger, spool, spoolFolder, keys, refresh, recall, log } = parts;
  // After an outage of the database every lease has run out: all processes first get the time to renew theirs.
  let mayReapAtMs = Date.now() + leaseMs / 2;
  const beat = async () => {
    try {
      await renewLease(db, instance, ledger.oldestOpenHold());
      await keys.flushLastUsed();
    } catch (error) {
      mayReapAtMs = Date.now() + leaseMs / 2;
      log("error", "heartbeat_failed", { error: (error as Error).message });
    }
  };
  let isReaping = false;
  const reap = async () => {
    if (isReaping || Date.now() < mayReapAtMs) return;
    isReaping = true;
    try {
      const parts = { ledger, spoolFolder, ownInstanceId: instance.id, recall };
      const { adopted, reaped } = await settleForTheDead(db, parts);
      if (adopted > 0) log("warn", "spool_adopted", { settlements: adopted });
      if (reaped > 0) log("warn", "orphans_settled", { holds: reaped });
    } catch (error) {
      log("error", "reap_failed", { error: (error as Error).message });
    } finally {
      isReaping = false;
    }
  };
  const replay = () =>
    spool.replay().catch((error: unknown) => log("error", "spool_failed", { error: (error as Error).message }));
  const timers = [
    setInterval(() => void beat(), heartbeatMs),
    setInterval(() => void reap(), reapMs),
    setInterval(() => void replay(), replayMs),
    setInterval(() => void refresh(null).catch(() => undefined), refreshMs),
    setInterval(() => void forgetExpiredAnswers(db).catch(() => undefined), forgetMs),
  ];
  return { stop: () => timers.forEach((timer) => clearInterval(timer)) };
}
