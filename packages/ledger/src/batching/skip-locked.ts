/** Takes the orders of locked accounts out of a batch, so that the others' go on. */
import { setTimeout as sleep } from "node:timers/promises";
import { kindOfBatchError } from "./batch-errors.ts";
import { Failed, type Flushed } from "./group-commit.ts";

type Flush<Order, Result> = (orders: Order[]) => Promise<Flushed<Result>[]>;

type Options<Order, Result> = {
  /** Null where it is not known. */
  accountOf: (order: Order) => string | null;
  findLocked: (accountIds: string[]) => Promise<Set<string>>;
  /** Takes the order of a locked account on. */
  park: (accountId: string, order: Order) => Promise<Result>;
  /** Whoever wanted it has been told that it failed: it is not to be sent again. */
  isAbandoned: (order: Order) => boolean;
};

/** A batch that fails by a deadlock is sent again so often, before its accounts count as locked. */
const deadlockRetries = 3;
const retryMs = 20;

/**
 * Flushes as `flush` does. Where a batch waits too long for a lock, the orders of the accounts that are locked are parked
 * and the others are flushed again; where it is none of the rows that can be asked about, the accounts are halved until the
 * one is found. One batch at a time is taken apart, in the order in which they failed.
 * @throws what `flush` threw where nothing is locked
 */
export function skipLocked<Order, Result>(
  flush: Flush<Order, Result>,
  { accountOf, findLocked, park, isAbandoned }: Options<Order, Result>,
): Flush<Order, Result> {
  let turn: Promise<unknown> = Promise.resolve();

  async function flushPart(orders: Order[], into: Map<Order, Flushed<Result>>): Promise<void> {
    const wanted = orders.filter((order) => !isAbandoned(order));
    if (wanted.length === 0) return;
    for (let attempt = 1; ; attempt++) {
      try {
        const results = await flush(wanted);
        wanted.forEach((order, at) => into.set(order, results[at] as Flushed<Result>));
        return;
      } catch (error) {
        const kind = kindOfBatchError(error);
        if (kind === "deadlock" && attempt <= deadlockRetries) {
          await sleep(retryMs * attempt * (0.5 + Math.random()));
          continue;
        }
        if (kind === "other" || kind === "data") wanted.forEach((order) => into.set(order, new Failed(error)));
        else await takeApart(wanted, error, into);
        return;
      }
    }
  }

  async function takeApart(orders: Order[], error: unknown, into: Map<Order, Flushed<Result>>): Promise<void> {
    const groups = new Map<string | Order, Order[]>();
    for (const order of orders) {
      if (isAbandoned(order)) continue;
      const key = accountOf(order) ?? order;
      groups.set(key, [...(groups.get(key) ?? []), order]);
    }
    const accountIds = [...groups.keys()].filter((key): key is string => typeof key === "string");
    const locked = await findLocked(accountIds).catch(() => new Set<string>());
    if (locked.size === 0 && groups.size === 1) for (const accountId of accountIds) locked.add(accountId);
    for (const accountId of locked) {
      for (const order of groups.get(accountId) ?? []) into.set(order, parked(accountId, order));
      groups.delete(accountId);
    }
    const rest = [...groups.values()];
    if (locked.size > 0) return flushPart(rest.flat(), into);
    if (rest.length <= 1) {
      for (const order of rest.flat()) into.set(order, new Failed(error));
      return;
    }
    const middle = Math.ceil(rest.length / 2);
    await flushPart(rest.slice(0, middle).flat(), into);
    await flushPart(rest.slice(middle).flat(), into);
  }

  function parked(accountId: string, order: Order): Promise<Result> {
    const result = park(accountId, order);
    // Whoever waits for the order hears of it; until the batch is over, nobody does.
    result.catch(() => undefined);
    return result;
  }

  async function recover(orders: Order[], error: unknown): Promise<Flushed<Result>[]> {
    const results = new Map<Order, Flushed<Result>>();
    if (kindOfBatchError(error) === "deadlock") await flushPart(orders, results);
    else await takeApart(orders, error, results);
    return orders.map((order) => results.get(order) ?? new Failed(error));
  }

  return async (orders) => {
    try {
      return await flush(orders);
    } catch (error) {
      const kind = kindOfBatchError(error);
      if (kind !== "locked" && kind !== "deadlock") throw error;
      const recovered = turn.then(() => recover(orders, error));
      turn = recovered.catch(() => undefined);
      return recovered;
    }
  };
}
