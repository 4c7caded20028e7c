/** What one process does beside its calls, so that holds, spooled settlements and stale answers never lie about. */
import type { Database } from "@codex-gateway/db";
import { forgetExpiredAnswers, type createKeyRing } from "@codex-gateway/domain";
import {
  createReapGuard,
  heartbeatMs,
  renewLease,
  restoreInstances,
  settleForTheDead,
  settleOverdue,
  type createLedger,
  type openInstance,
  type openSpool,
  type RecallResponse,
} from "@codex-gateway/ledger";
import type { Log } from "@codex-gateway/gateway";
import { createDeathWatch } from "./death-watch.ts";
import { createDiskWatch } from "./disk-watch.ts";

const refreshMs = 30_000;
const reapMs = 2_000;
const replayMs = 1_000;
const forgetMs = 60_000;
const overdueMs = 60_000;
const diskMs = 60_000;
const lostMs = 10 * 60_000;
/** No call is under way for longer than its instance can have been lost for. */
const lostAgeMs = 2 * 60 * 60_000;
/** At the start, for those that were lost while nobody ran. */
const firstLostAgeMs = 24 * 60 * 60_000;

type JobParts = {
  instance: Awaited<ReturnType<typeof openInstance>>;
  /** The ledger's: pages that wait for the database do not keep the lease from being renewed. */
  leasePool: Database["pool"];
  ledger: ReturnType<typeof createLedger>;
  spool: ReturnType<typeof openSpool>;
  spoolFolder: string;
  dataFolder: string;
  keys: ReturnType<typeof createKeyRing>;
  refresh: (topic: null) => Promise<void>;
  recall: RecallResponse;
  /** Told of lines of dead processes' logs that could not be read. */
  onUnread: (lines: number) => void;
  /** Told when another process of this data folder has died. */
  onDeath: () => void;
  /** No call lasts longer. */
  maxCallMs: () => number;
  log: Log;
};

/** The lease every 5 s, the reaper every 2 s, the spool every second, what is known every 30 s in case word of a change was lost. */
export function startJobs(db: Database, parts: JobParts): { stop(): void } {
  const { keys, refresh, spool, log } = parts;
  const guard = createReapGuard();
  const logError = (event: string) => (error: unknown) => log("error", event, { error: (error as Error).message });
  let maxAgeMs = firstLostAgeMs;
  const restore = async () => {
    const restored = await restoreInstances(db, maxAgeMs);
    maxAgeMs = lostAgeMs;
    if (restored > 0) log("warn", "instances_restored", { instances: restored });
  };
  restore().catch(logError("restore_instances_failed"));
  const watchDeaths = createDeathWatch(db, { ...parts, ownInstanceId: parts.instance.id });
  const lookForDeaths = repeat(reapMs, () => watchDeaths().catch(logError("death_watch_failed")));
  // Whoever was here before is settled for at once.
  lookForDeaths.now();
  const lookAtDisk = createDiskWatch(db, parts);
  const jobs = [
    repeat(heartbeatMs, createBeat(parts, guard)),
    repeat(heartbeatMs, () => keys.flushLastUsed().catch(logError("last_used_failed"))),
    lookForDeaths,
    repeat(reapMs, createReaper(db, parts, guard)),
    repeat(diskMs, () => lookAtDisk().catch(logError("disk_watch_failed"))),
    repeat(overdueMs, createOverdueWatch(db, parts)),
    repeat(replayMs, () => spool.replay().then(() => undefined, logError("spool_failed"))),
    repeat(refreshMs, () => refresh(null).catch(logError("refresh_failed"))),
    repeat(forgetMs, () => forgetExpiredAnswers(db).then(() => undefined, logError("forget_failed"))),
    repeat(lostMs, () => restore().catch(logError("restore_instances_failed"))),
  ];
  return { stop: () => jobs.forEach((job) => job.stop()) };
}

/** Runs `work`, which catches its own errors, every so often; never twice at a time. */
function repeat(everyMs: number, work: () => Promise<void>): { now(): void; stop(): void } {
  let isRunning = false;
  const now = () => {
    if (isRunning) return;
    isRunning = true;
    work()
      .catch(() => undefined)
      .finally(() => (isRunning = false));
  };
  const timer = setInterval(now, everyMs);
  return { now, stop: () => clearInterval(timer) };
}

type Guard = ReturnType<typeof createReapGuard>;

function createBeat({ instance, leasePool, ledger, log }: JobParts, guard: Guard): () => Promise<void> {
  return async () => {
    try {
      const { databaseNowMs, wasLost } = await renewLease({ pool: leasePool }, instance, ledger.oldestOpenHold());
      guard.renewed(databaseNowMs);
      if (wasLost) log("warn", "instance_was_lost", { instanceId: instance.id });
    } catch (error) {
      guard.failed();
      log("error", "heartbeat_failed", { error: (error as Error).message });
    }
  };
}

/** Settles own holds that no call can have any more: its error was caught by nobody but the last guard. */
function createOverdueWatch(db: Database, parts: JobParts): () => Promise<void> {
  const { instance, ledger, recall, maxCallMs, log } = parts;
  return async () => {
    try {
      const options = { instanceId: instance.id, overdueMs: maxCallMs() };
      const { settled, errors } = await settleOverdue(db, ledger, recall, options);
      if (settled > 0 || errors.length > 0) log("warn", "overdue_settled", { holds: settled, failures: errors.length });
    } catch (error) {
      log("error", "overdue_failed", { error: (error as Error).message });
    }
  };
}

function createReaper(db: Database, parts: JobParts, guard: Guard): () => Promise<void> {
  const { instance, ledger, spoolFolder, recall, onUnread, log } = parts;
  const failures = new Map<string, number>();
  return async () => {
    try {
      const { adopted, reaped, unread, errors } = await settleForTheDead(db, {
        ledger,
        spoolFolder,
        ownInstanceId: instance.id,
        recall,
        failures,
        mayReap: (databaseNowMs) => guard.mayReap(databaseNowMs),
      });
      if (adopted > 0) log("warn", "spool_adopted", { settlements: adopted });
      if (unread > 0) {
        onUnread(unread);
        log("error", "spool_lines_unread", { lines: unread });
      }
      if (reaped > 0) log("warn", "orphans_settled", { holds: reaped });
      const [first] = errors;
      if (first) log("error", "reap_incomplete", { failures: errors.length, error: (first as Error).message });
    } catch (error) {
      log("error", "reap_failed", { error: (error as Error).message });
    }
  };
}
