/**
 * Natural group commit: what arrives during one flush is the next batch. There is no timer, so a lone request waits for
 * nobody, and a busy process commits as many requests at once as arrive during one round trip. Where nothing is in flight
 * the flush begins when all that has arrived by now is read: the first of many is no batch of its own.
 *
 * A second flush is begun behind the first one as soon as it is worth its statements. The database then goes from one to
 * the next, where it would wait until a busy process has come round to its answer and has sent it the next batch.
 */

export type GroupCommit<Item, Result> = {
  /** Resolves with the item's result once its batch is committed. @throws what `flush` threw, or `refuse` answered with */
  add(item: Item): Promise<Result>;
  /** How many items wait for the next flush. */
  queued(): number;
  /** Resolves when nothing is waiting or in flight. */
  idle(): Promise<void>;
};

export type GroupCommitOptions<Item> = {
  maxBatch?: number;
  maxQueue?: number;
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

type Waiting<Item, Result> = {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
  sinceMs: number;
  isRefused: boolean;
};

/**
 * `flush` gets at most `maxBatch` items and answers with one result per item, in order; two of them may be under way. The
 * next batch is flushed before those who waited for this one go on, so that the database works while they do.
 */
export function createGroupCommit<Item, Result>(
  flush: (items: Item[]) => Promise<Result[]>,
  {
    maxBatch = 256,
    maxQueue = 2_000,
    rest = () => {},
    isImpatient = () => false,
    patienceMs = 1_000,
    refuse,
  }: GroupCommitOptions<Item>,
): GroupCommit<Item, Result> {
  let queue: Waiting<Item, Result>[] = [];
  const inFlight = new Set<readonly Waiting<Item, Result>[]>();
  let isDue = false;
  let rested: (() => void)[] = [];

  /** Refuses whoever waits for too long, until the function it answers with is called. */
  function watch(sent: readonly Waiting<Item, Result>[]): () => void {
    const look = () => {
      const nowMs = performance.now();
      let nextMs = nowMs + patienceMs;
      for (const list of [sent, queue]) {
        for (const waiting of list) {
          if (waiting.isRefused || !isImpatient(waiting.item)) continue;
          const lateMs = waiting.sinceMs + patienceMs;
          if (lateMs > nowMs) {
            nextMs = Math.min(nextMs, lateMs);
            continue;
          }
          waiting.isRefused = true;
          waiting.reject(refuse(waiting.item, { reason: "late", wasSent: list === sent }));
        }
      }
      queue = queue.filter(({ isRefused }) => !isRefused);
      timer = setTimeout(look, Math.max(1, nextMs - nowMs));
    };
    // The first one sent has waited the longest.
    const waitedMs = performance.now() - (sent[0]?.sinceMs ?? 0);
    let timer = setTimeout(look, Math.max(1, patienceMs - waitedMs));
    return () => clearTimeout(timer);
  }

  function sendWhatIsDue(): void {
    while (queue.length > 0 && isWorthAFlush()) void send();
    if (queue.length > 0 || inFlight.size > 0) return;
    rest();
    for (const resolve of rested) resolve();
    rested = [];
  }

  const isWorthAFlush = () => {
    const [ahead = []] = inFlight;
    return inFlight.size < maxInFlight && queue.length >= ahead.length * minShareBehind;
  };

  async function send(): Promise<void> {
    const batch = queue.slice(0, maxBatch);
    queue = queue.slice(maxBatch);
    inFlight.add(batch);
    const stopWatching = watch(batch);
    let results: Result[] = [];
    let fault: unknown = null;
    try {
      results = await flush(batch.map(({ item }) => item));
    } catch (error) {
      fault = error;
    }
    stopWatching();
    inFlight.delete(batch);
    sendWhatIsDue();
    for (let at = 0; at < batch.length; at++) {
      if (fault === null) batch[at]?.resolve(results[at] as Result);
      else batch[at]?.reject(fault);
    }
  }

  return {
    add: (item) => {
      if (queue.length >= maxQueue) return Promise.reject(refuse(item, { reason: "full", wasSent: false }));
      return new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject, sinceMs: performance.now(), isRefused: false });
        if (isDue || inFlight.size >= maxInFlight) return;
        isDue = true;
        setImmediate(() => {
          isDue = false;
          sendWhatIsDue();
        });
      });
    },
    queued: () => queue.length,
    idle: () =>
      queue.length === 0 && inFlight.size === 0 ? Promise.resolve() : new Promise((resolve) => rested.push(resolve)),
  };
}
