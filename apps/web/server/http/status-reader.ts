/** What a key has left, for the headers of its answers: a few seconds old at most, and never waited for. */
import type { Database } from "@codex-gateway/db";
import { type Budget, readKeyStatus } from "@codex-gateway/domain";
import type { CallerStatus, Ports } from "@codex-gateway/gateway";

const cacheMs = 5_000;
const maxCached = 10_000;
/** An answer goes out without it where the database takes longer. */
const patienceMs = 500;

type Cached = { status: Promise<CallerStatus | null>; untilMs: number };

/** The reader of one process; of many calls of a key one asks the database. */
export function createStatusReader(db: Pick<Database, "pool">, now: () => number = Date.now): Ports["readStatus"] {
  let cache = new Map<string, Cached>();
  return ({ apiKeyId }) => {
    const cached = cache.get(apiKeyId);
    if (cached && cached.untilMs > now()) return cached.status;
    if (cache.size >= maxCached) cache = new Map();
    const status = inTime(readStatus(db, apiKeyId, now()));
    cache.set(apiKeyId, { status, untilMs: now() + cacheMs });
    return status;
  };
}

async function readStatus(db: Pick<Database, "pool">, apiKeyId: string, nowMs: number): Promise<CallerStatus> {
  const { leftNanoUsd, budgets } = await readKeyStatus(db, apiKeyId, new Date(nowMs));
  const windows = [windowOf(budgets.day, dayMinutes), windowOf(budgets.month, monthMinutes)];
  return {
    leftUsd: (Number(leftNanoUsd / nanoPerCent) / 100).toFixed(2),
    hasLeft: leftNanoUsd > 0n,
    windows: windows.filter((window) => window !== null),
  };
}

const nanoPerCent = 10_000_000n;
const dayMinutes = 24 * 60;
const monthMinutes = 30 * dayMinutes;

/** In tenths of a percent, and full where more was spent than there is. */
function windowOf(budget: Budget | null, minutes: number): CallerStatus["windows"][number] | null {
  if (!budget) return null;
  const { limitNanoUsd, spentNanoUsd, resetsAt } = budget;
  const perMille = limitNanoUsd === 0n ? 1_000 : Number((spentNanoUsd * 1_000n) / limitNanoUsd);
  return { usedPercent: Math.min(perMille, 1_000) / 10, minutes, resetsAtMs: resetsAt.getTime() };
}

/** Null where it takes too long, or cannot be read. */
function inTime(reading: Promise<CallerStatus>): Promise<CallerStatus | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), patienceMs).unref();
    const finish = (status: CallerStatus | null) => {
      clearTimeout(timer);
      resolve(status);
    };
    reading.then(finish, () => finish(null));
  });
}
