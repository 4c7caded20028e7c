/**
 * Orders of accounts whose rows somebody else keeps locked: a transaction that is left open, a process that stands still.
 * They leave the batches, so that nobody else's order waits for them, and are sent on a connection of their own, each
 * account's by themselves, when its rows are free. One account's orders keep their order: while one of them waits here, all that
 * follow do.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { kindOfBatchError } from "./batch-errors.ts";
import { again, Failed, type Flushed, type GroupCommitOptions } from "./group-commit.ts";

export type ContendedAccounts<Order, Result> = {
  has(accountId: string): boolean;
  /** `wasSent` where it has been in a batch: it may stand. Resolves as a group commit's `add` does. */
  add(accountId: string, order: Order, options?: { wasSent?: boolean }): Promise<Result>;
  queued(): number;
  idle(): Promise<void>;
};

export type ContendedOptions<Order, Result> = Pick<GroupCommitOptions<Order>, "refuse" | "patienceMs" | "maxQueue"> & {
  isImpatient: (order: Order) => boolean;
  /** Whoever wanted it has been told that it failed. */
  isAbandoned: (order: Order) => boolean;
  /** Which of these accounts have a row that is locked at the moment. */
  findLocked: (accountIds: string[]) => Promise<Set<string>>;
  flush: (orders: Order[]) => Promise<Flushed<Result>[]>;
  /** Called when nothing waits. */
  rest: () => void;
  pollMs?: number;
  waryMs?: number;
  longLockMs?: number;
};

type Waiting<Order, Result> = {
  order: Order;
  resolve: (result: Result | Promise<Result>) => void;
  reject: (error: unknown) => void;
  sinceMs: number;
  wasSent: boolean;
  isInFlight: boolean;
  isRefused: boolean;
};

const maxBatch = 256;
/** What was locked for long may be so again: its orders go this way on for so long, and no batch waits for it. */
const defaultWaryMs = 2_000;
/** Of each lock that this process itself takes, and of most others', nothing is left after that. */
const defaultLongLockMs = 150;
const maxWary = 10_000;

export function createContendedAccounts<Order, Result>({
  findLocked,
  flush,
  rest,
  isImpatient,
  isAbandoned,
  refuse,
  patienceMs = 1_000,
  maxQueue = 2_000,
  pollMs = 25,
  waryMs = defaultWaryMs,
  longLockMs = defaultLongLockMs,
}: ContendedOptions<Order, Result>): ContendedAccounts<Order, Result> {
  /** By account, in the order of arrival. */
  const queues = new Map<string, Waiting<Order, Result>[]>();
  /** Until when, by account. */
  const waryUntilMs = new Map<string, number>();
  let count = 0;
  let running: Promise<void> | null = null;

  function remove(accountId: string, isGone: (waiting: Waiting<Order, Result>) => boolean): void {
    const queue = queues.get(accountId) ?? [];
    const left = queue.filter((waiting) => !isGone(waiting));
    count -= queue.length - left.length;
    if (left.length > 0) queues.set(accountId, left);
    else queues.delete(accountId);
  }

  /** Renewed while it is locked, and not by what is sent: a wallet that stays free goes with the others again. */
  function noteLocked(accountId: string): void {
    const [first] = queues.get(accountId) ?? [];
    if (!first || performance.now() - first.sinceMs < longLockMs) return;
    if (waryUntilMs.size >= maxWary) waryUntilMs.clear();
    waryUntilMs.set(accountId, performance.now() + waryMs);
  }

  function isWaryOf(accountId: string): boolean {
    const untilMs = waryUntilMs.get(accountId);
    if (untilMs === undefined) return false;
    if (untilMs > performance.now()) return true;
    waryUntilMs.delete(accountId);
    return false;
  }

  function refuseLate(): void {
    const lateMs = performance.now() - patienceMs;
    for (const [accountId, queue] of queues) {
      for (const waiting of queue) {
        if (waiting.isRefused || !isImpatient(waiting.order)) continue;
        if (waiting.sinceMs > lateMs && !isAbandoned(waiting.order)) continue;
        waiting.isRefused = true;
        waiting.reject(refuse(waiting.order, { reason: "late", wasSent: waiting.wasSent }));
      }
      remove(accountId, ({ isRefused, isInFlight }) => isRefused && !isInFlight);
    }
  }

  /** Whether the account's rows were free. */
  async function send(accountId: string): Promise<boolean> {
    // A hold that was refused meanwhile must not meet its release in one batch.
    refuseLate();
    const batch = (queues.get(accountId) ?? []).slice(0, maxBatch);
    for (const waiting of batch) waiting.isInFlight = waiting.wasSent = true;
    let results: Flushed<Result>[];
    try {
      results = await flush(batch.map(({ order }) => order));
    } catch (error) {
      const kind = kindOfBatchError(error);
      results = kind === "locked" || kind === "deadlock" ? batch.map(() => again) : batch.map(() => new Failed(error));
    }
    const done = new Set<Waiting<Order, Result>>();
    batch.forEach((waiting, at) => {
      waiting.isInFlight = false;
      const result = results[at];
      if (result === again) return;
      done.add(waiting);
      if (result instanceof Failed) waiting.reject(result.error);
      else waiting.resolve(result as Result | Promise<Result>);
    });
    remove(accountId, (waiting) => done.has(waiting) || waiting.isRefused);
    return done.size > 0;
  }

  async function sendWhatIsFree(): Promise<boolean> {
    const accountIds = [...queues.keys()];
    // A database that does not say fails the orders as it would fail any: nobody waits here for one that is gone.
    const locked = await findLocked(accountIds).catch(() => new Set<string>());
    locked.forEach(noteLocked);
    const free = accountIds.filter((accountId) => !locked.has(accountId) && queues.has(accountId));
    return (await Promise.all(free.map(send))).includes(true);
  }

  async function run(): Promise<void> {
    const watch = setInterval(refuseLate, pollMs);
    try {
      while (queues.size > 0) if (!(await sendWhatIsFree())) await sleep(pollMs);
    } finally {
      clearInterval(watch);
      running = null;
      rest();
    }
  }

  return {
    has: (accountId) => queues.has(accountId) || isWaryOf(accountId),
    add: (accountId, order, { wasSent = false } = {}) => {
      if (count >= maxQueue) return Promise.reject(refuse(order, { reason: "full", wasSent }));
      return new Promise((resolve, reject) => {
        const sinceMs = performance.now();
        const waiting = { order, resolve, reject, sinceMs, wasSent, isInFlight: false, isRefused: false };
        const queue = queues.get(accountId);
        if (queue) queue.push(waiting);
        else queues.set(accountId, [waiting]);
        count++;
        running ??= run();
      });
    },
    queued: () => count,
    idle: async () => {
      while (running) await running;
    },
  };
}
