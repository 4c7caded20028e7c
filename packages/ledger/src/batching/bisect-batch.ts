/** Finds the order at which a batch fails, so that nobody else's order is refused for it. */
import { kindOfBatchError } from "./batch-errors.ts";
import type { Flushed } from "./group-commit.ts";

type Flush<Order, Result> = (orders: Order[]) => Promise<Flushed<Result>[]>;

/**
 * Flushes as `flush` does. A batch that fails by its data is flushed in halves, and an order that fails alone is answered
 * by `giveUp`. Needs a `flush` that changes nothing when it gets an order twice.
 * @throws what `flush` threw where no order is at fault
 */
export function bisectBatch<Order, Result>(
  flush: Flush<Order, Result>,
  giveUp: (order: Order, error: unknown) => Promise<Flushed<Result>>,
): Flush<Order, Result> {
  async function flushHalves(orders: Order[], error: unknown): Promise<Flushed<Result>[]> {
    const [only] = orders;
    if (only !== undefined && orders.length === 1) return [await giveUp(only, error)];
    const middle = Math.ceil(orders.length / 2);
    const first = await flushPart(orders.slice(0, middle));
    return [...first, ...(await flushPart(orders.slice(middle)))];
  }

  async function flushPart(orders: Order[]): Promise<Flushed<Result>[]> {
    try {
      return await flush(orders);
    } catch (error) {
      if (kindOfBatchError(error) !== "data") throw error;
      return flushHalves(orders, error);
    }
  }

  return flushPart;
}
