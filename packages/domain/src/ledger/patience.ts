/** Nobody waits for a hold longer than a second: a database that does not answer is told to whoever comes, and only to them. */

/** One who has waited too long. */
export type Late<Order> = { order: Order; reject: (error: Error) => void };

export type Patience<Order> = {
  /** Settles with the promise, unless whoever watches rejects it before. */
  orTooLate<Result>(order: Order, promise: Promise<Result>): Promise<Result>;
  /** Until the function it answers with is called, hands over those who have waited too long, each once. */
  watch(refuse: (late: Late<Order>[]) => void): () => void;
};

const patienceMs = 1_000;

export function createPatience<Order>(): Patience<Order> {
  // In the order of their arrival, so that the first one is the first to be late.
  const waiting = new Set<Late<Order> & { sinceMs: number }>();

  function takeLate(): Late<Order>[] {
    const late: Late<Order>[] = [];
    for (const one of waiting) {
      if (performance.now() - one.sinceMs < patienceMs) break;
      waiting.delete(one);
      late.push(one);
    }
    return late;
  }

  function untilLateMs(): number {
    const [first] = waiting;
    return first ? Math.max(1, first.sinceMs + patienceMs - performance.now()) : patienceMs;
  }

  return {
    orTooLate: (order, promise) =>
      new Promise((resolve, reject) => {
        const one = { order, reject, sinceMs: performance.now() };
        waiting.add(one);
        promise.finally(() => waiting.delete(one)).then(resolve, reject);
      }),
    watch: (refuse) => {
      const look = () => {
        const late = takeLate();
        if (late.length > 0) refuse(late);
        timer = setTimeout(look, untilLateMs());
      };
      let timer = setTimeout(look, untilLateMs());
      return () => clearTimeout(timer);
    },
  };
}
