/**
 * Settlements that the database could not take: written to a local file, durably, so that the client's answer need not
 * wait for the database and no charge is lost; replayed until each of them is in. Settling twice changes nothing.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { Capture, Ledger } from "./ledger.ts";

export type SettleOrder = { capture: Capture } | { release: string };

export type Spool = {
  /** Resolves when the order is in the database, or durably in the file. @throws Error only where neither can be written */
  settle(order: SettleOrder): Promise<void>;
  /** Sends what lies in the file; answers how many orders still lie there. */
  replay(): Promise<number>;
  size(): number;
};

export function openSpool(file: string, ledger: Ledger): Spool {
  mkdirSync(path.dirname(file), { recursive: true });
  let waiting: SettleOrder[] = existsSync(file) ? readOrders(file) : [];
  let replaying: Promise<number> | null = null;

  const send = (order: SettleOrder) =>
    "capture" in order ? ledger.capture(order.capture) : ledger.release(order.release);

  function append(order: SettleOrder): void {
    const descriptor = openSync(file, "a", 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify(order, bigintsAsText)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    waiting.push(order);
  }

  async function sendAll(): Promise<number> {
    const orders = waiting.slice();
    const results = await Promise.allSettled(orders.map(send));
    const sent = new Set(orders.filter((_, at) => results[at]?.status === "fulfilled"));
    waiting = waiting.filter((order) => !sent.has(order));
    // Only an empty spool gives up its file: until then a second replay after a crash is harmless.
    if (waiting.length === 0) rmSync(file, { force: true });
    return waiting.length;
  }

  return {
    settle: async (order) => {
      try {
        await send(order);
      } catch {
        append(order);
      }
    },
    replay: () => {
      if (waiting.length === 0) return Promise.resolve(0);
      replaying ??= sendAll().finally(() => (replaying = null));
      return replaying;
    },
    size: () => waiting.length,
  };
}

const bigintsAsText = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

/** A last line that a crash cut off was never answered for, and is left out. */
function readOrders(file: string): SettleOrder[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line): SettleOrder[] => {
      try {
        const order = JSON.parse(line) as
          { capture: Omit<Capture, "costNanoUsd"> & { costNanoUsd: string } } | { release: string };
        if ("release" in order) return [order];
        return [{ capture: { ...order.capture, costNanoUsd: BigInt(order.capture.costNanoUsd) } }];
      } catch {
        return [];
      }
    });
}
