/**
 * Natural group commit: one flush in flight; what arrives meanwhile is the next batch. There is no timer, so a lone
 * request waits for nobody, and a busy process commits as many requests at once as arrive during one round trip. Where
 * nothing is in flight the flush begins when all that has arrived by now is read: the first of many is no batch of its own.
 */

export type GroupCommit<Item, Result> = {
  /** Resolves with the item's result once its batch is committed. @throws QueueFullError, or what `flush` threw */
  add(item: Item): Promise<Result>;
  /** Takes back those of the items that no flush has begun with; their promises stay open. Answers which they were. */
  takeBack(items: ReadonlySet<Item>): Set<Item>;
  /** How many items wait for the next flush. */
  queued(): number;
  /** Resolves when nothing is waiting or in flight. */
  idle(): Promise<void>;
};

export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

type Waiting<Item, Result> = { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void };

/**
 * `flush` gets at most `maxBatch` items and answers with one result per item, in order. The next batch is flushed before
 * those who waited for this one go on, so that the database works while they do. `rest` is called when nothing waits.
 */
export function createGroupCommit<Item, Result>(
  flush: (items: Item[]) => Promise<Result[]>,
  {
    maxBatch = 256,
    maxQueue = 2_000,
    rest = () => {},
  }: { maxBatch?: number; maxQueue?: number; rest?: () => void } = {},
): GroupCommit<Item, Result> {
  let queue: Waiting<Item, Result>[] = [];
  let running: Promise<void> | null = null;

  async function flushAll(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.slice(0, maxBatch);
      queue = queue.slice(maxBatch);
      try {
        const results = await flush(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, at) => resolve(results[at] as Result));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running = null;
    rest();
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        if (queue.length >= maxQueue) {
          reject(new QueueFullError("Too many requests are waiting for the ledger."));
          return;
        }
        queue.push({ item, resolve, reject });
        running ??= new Promise<void>((begin) => setImmediate(begin)).then(flushAll);
      }),
    takeBack: (items) => {
      const taken = queue.filter(({ item }) => items.has(item));
      queue = queue.filter(({ item }) => !items.has(item));
      return new Set(taken.map(({ item }) => item));
    },
    queued: () => queue.length,
    idle: async () => {
      while (running) await running;
    },
  };
}
