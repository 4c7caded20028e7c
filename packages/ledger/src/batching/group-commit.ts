/**
 * Natural group commit: what arrives during one flush is the next batch. There is no timer, so a lone request waits for
 * nobody, and a busy process commits as many requests at once as arrive during one round trip. Where nothing is in flight
 * the flush begins when all that has arrived by now is read: the first of many is no batch of its own.
 *
 * A second flush is begun behind the first one as soon as it is worth its statements. The database then goes from one to
 * the next, where it would wait until a busy process has come round to its answer and has sent it the next batch.
 *
 * Items that nobody waits for may lag: they are flushed when there are many of them, or the first is some milliseconds
 * old, or one of the others is not to overtake them.
 */

export type GroupCommit<Item, Result> = {
  /** Resolves with the item's result once its batch is committed. @throws what `flush` threw, or `refuse` answered with */
  add(item: Item, options?: { mayLag?: boolean }): Promise<Result>;
  /** What lags is flushed as soon as it can be. */
  hurry(): void;
  /** How many items wait for the next flush. */
  queued(): number;
  /** Resolves when nothing is waiting or in flight. */
  idle(): Promise<void>;
};

/** What `flush` answers with for an item that it has left alone, and that is to be in the next flush. */
export const again = Symbol("again");

/** What `flush` answers with for an item that failed although others of its batch did not. */
export class Failed {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** A promise where the item went elsewhere: whoever waits for the item waits for that. */
export type Flushed<Result> = Result | Promise<Result> | Failed | typeof again;

export type GroupCommitOptions<Item> = {
  maxBatch?: number;
  maxQueue?: number;
  /** So many of those that may lag are a flush. */
  maxLagging?: number;
  lagMs?: number;
  /** Which items are not to be flushed before what has come before them and may lag; without it, none. */
  waitsForLagging?: (item: Item) => boolean;
  /** Called when nothing waits. */
  rest?: () => void;
  /** Which items are told after `patienceMs` that the flush does not answer; without it, none. */
  isImpatient?: (item: Item) => boolean;
  patienceMs?: number;
  /** What an item is refused with. Where it was sent, its flush goes on, and may commit it. */
  refuse: (item: Item, why: { reason: "full" | "late"; wasSent: boolean }) => Error;
};

const maxInFlight = 2;
/** Of the size of the batch ahead: below half of it, what a second one costs the database is more than it saves. */
const minShareBehind = 0.5;

const maxLookEveryMs = 25;
const looksPerPatience = 3;

type Waiting<Item, Result> = {
  item: Item;
  resolve: (result: Result | Promise<Result>) => void;
  reject: (error: unknown) => void;
  /** By the clock of those who wait. */
  sinceMs: number;
  /** Once is enough: a flush that leaves it alone may not know that it stands. */
  wasSent: boolean;
  isRefused: boolean;
};

/**
 * `flush` gets at most `maxBatch` items, those that lagged first, and answers with one result per item, in order; two
 * flushes may be under way. The next batch is flushed before those who waited for this one go on, so that the database
 * works while they do.
 */
export function createGroupCommit<Item, Result>(
  flush: (items: Item[]) => Promise<Flushed<Result>[]>,
  {
    maxBatch = 256,
    maxQueue = 2_000,
    maxLagging = 128,
    lagMs = 20,
    waitsForLagging = () => false,
    rest = () => {},
    isImpatient = () => false,
    patienceMs = 1_000,
    refuse,
  }: GroupCommitOptions<Item>,
): GroupCommit<Item, Result> {
  const lookEveryMs = Math.min(maxLookEveryMs, patienceMs / looksPerPatience);
  /** Of the time between two looks. What is more is this process's own doing, and says nothing of the database. */
  const maxCountedMs = 2 * lookEveryMs;
  let queue: Waiting<Item, Result>[] = [];
  const lagging: Waiting<Item, Result>[] = [];
  let lagTimer: NodeJS.Timeout | null = null;
  let isHurried = false;
  let isLaggingSent = false;
  const inFlight = new Set<readonly Waiting<Item, Result>[]>();
  /** By which patience is measured: it stands still while nothing is in flight, or this process is too busy to look. */
  let waitedClockMs = 0;
  let lookedAtMs = 0;
  let looking: NodeJS.Timeout | undefined;
  let isDue = false;
  let rested: (() => void)[] = [];

  /** Adds what has passed since the last look, and refuses whoever has waited for too long. */
  function look(): void {
    const nowMs = performance.now();
    waitedClockMs += Math.min(nowMs - lookedAtMs, maxCountedMs);
    lookedAtMs = nowMs;
    const lateMs = waitedClockMs - patienceMs;
    for (const list of [...inFlight, queue]) {
      for (const waiting of list) {
        if (waiting.isRefused || waiting.sinceMs > lateMs || !isImpatient(waiting.item)) continue;
        waiting.isRefused = true;
        waiting.reject(refuse(waiting.item, { reason: "late", wasSent: waiting.wasSent }));
      }
    }
    queue = queue.filter(({ isRefused }) => !isRefused);
  }

  /** While something is in flight: nothing waits for longer than that. */
  function watch(): void {
    if (inFlight.size === 0) {
      clearInterval(looking);
      looking = undefined;
    } else if (looking === undefined) {
      lookedAtMs = performance.now();
      looking = setInterval(look, lookEveryMs);
    }
  }

  /** One batch of these at a time: what comes later may build on it, and is not to be done without it. */
  const isLaggingDue = () =>
    !isLaggingSent && lagging.length > 0 && (isHurried || rested.length > 0 || lagging.length >= maxLagging);

  function hurry(): void {
    isHurried = lagging.length > 0;
    if (isLaggingDue()) sendSoon();
  }

  function sendSoon(): void {
    if (isDue || inFlight.size >= maxInFlight) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      sendWhatIsDue();
    });
  }

  function sendWhatIsDue(): void {
    // A flush that fails is told to whoever waits for it.
    while (isWorthAFlush()) send().catch(() => undefined);
    if (queue.length + lagging.length + inFlight.size > 0) return;
    rest();
    for (const resolve of rested) resolve();
    rested = [];
  }

  function isWorthAFlush(): boolean {
    const [ahead = []] = inFlight;
    if (inFlight.size >= maxInFlight) return false;
    if (isLaggingDue()) return true;
    // It may fail, and is sent again then.
    if (isLaggingSent && queue.some(({ item }) => waitsForLagging(item))) return false;
    return queue.length > 0 && queue.length >= ahead.length * minShareBehind;
  }

  function takeBatch(): { batch: Waiting<Item, Result>[]; lagged: number } {
    const mayLaggingGo = lagging.length > 0 && !isLaggingSent;
    const isLaggingWanted = mayLaggingGo && (isLaggingDue() || queue.some(({ item }) => waitsForLagging(item)));
    const batch = isLaggingWanted ? lagging.splice(0, maxBatch) : [];
    const lagged = batch.length;
    batch.push(...queue.splice(0, maxBatch - batch.length));
    if (lagging.length === 0) {
      isHurried = false;
      if (lagTimer) clearTimeout(lagTimer);
      lagTimer = null;
    }
    return { batch, lagged };
  }

  async function send(): Promise<void> {
    const { batch, lagged } = takeBatch();
    if (lagged > 0) isLaggingSent = true;
    for (const waiting of batch) waiting.wasSent = true;
    inFlight.add(batch);
    watch();
    let results: Flushed<Result>[] = [];
    let fault: unknown = null;
    try {
      results = await flush(batch.map(({ item }) => item));
    } catch (error) {
      fault = error;
    }
    inFlight.delete(batch);
    if (lagged > 0) isLaggingSent = false;
    if (results.includes(again)) {
      queue.unshift(...batch.filter(({ isRefused }, at) => results[at] === again && !isRefused));
    }
    sendWhatIsDue();
    watch();
    for (let at = 0; at < batch.length; at++) {
      const result = results[at];
      if (fault !== null) batch[at]?.reject(fault);
      else if (result instanceof Failed) batch[at]?.reject(result.error);
      else if (result instanceof Promise) handOver(batch[at], result);
      else if (result !== again) batch[at]?.resolve(result as Result);
    }
  }

  /** To whoever answers the item elsewhere; it is refused in its own time there, too. */
  function handOver(waiting: Waiting<Item, Result> | undefined, result: Promise<Result>): void {
    if (!waiting) return;
    const { item, sinceMs, resolve, reject } = waiting;
    if (!isImpatient(item)) {
      resolve(result);
      return;
    }
    const refuseLate = () => reject(refuse(item, { reason: "late", wasSent: true }));
    const timer = setTimeout(refuseLate, Math.max(1, sinceMs + patienceMs - waitedClockMs));
    result.finally(() => clearTimeout(timer)).then(resolve, reject);
  }

  return {
    add: (item, { mayLag = false } = {}) => {
      if (queue.length + lagging.length >= maxQueue) {
        return Promise.reject(refuse(item, { reason: "full", wasSent: false }));
      }
      return new Promise((resolve, reject) => {
        const waiting = { item, resolve, reject, sinceMs: waitedClockMs, wasSent: false, isRefused: false };
        if (mayLag) {
          lagging.push(waiting);
          lagTimer ??= setTimeout(hurry, lagMs);
          if (isLaggingDue()) sendSoon();
        } else {
          queue.push(waiting);
          sendSoon();
        }
      });
    },
    hurry,
    queued: () => queue.length + lagging.length,
    idle: () => {
      if (queue.length + lagging.length + inFlight.size === 0) return Promise.resolve();
      return new Promise((resolve) => {
        rested.push(resolve);
        sendSoon();
      });
    },
  };
}
