/**
 * Settlements that the database could not take: written to a local file, durably, so that the client's answer need not
 * wait for the database and no charge is lost; replayed until each of them is in. Settling twice changes nothing.
 *
 * Each process writes a file of its own, named by its instance, so that several may share one folder; what a dead one
 * left behind is settled by the others, before they settle its holds by estimate.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { Database } from "@codex-gateway/db";
import type { Capture, Ledger } from "./ledger.ts";

export type SettleOrder = { capture: Capture } | { release: string };

export type Spool = {
  /** Resolves when the order is in the database, or durably in the file. @throws Error only where neither can be written */
  settle(order: SettleOrder): Promise<void>;
  /** Sends what lies in the file; answers how many orders still lie there. */
  replay(): Promise<number>;
  size(): number;
};

const ending = ".jsonl";
const fileOf = (folder: string, instanceId: string) => path.join(folder, instanceId + ending);

const send = (ledger: Ledger, order: SettleOrder) =>
  "capture" in order ? ledger.capture(order.capture) : ledger.release(order.release);

export function openSpool(folder: string, instanceId: string, ledger: Ledger): Spool {
  mkdirSync(folder, { recursive: true });
  const file = fileOf(folder, instanceId);
  let waiting: SettleOrder[] = [];
  let replaying: Promise<number> | null = null;

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
    const results = await Promise.allSettled(orders.map((order) => send(ledger, order)));
    const sent = new Set(orders.filter((_, at) => results[at]?.status === "fulfilled"));
    waiting = waiting.filter((order) => !sent.has(order));
    // Only an empty spool gives up its file: until then a second replay after a crash is harmless.
    if (waiting.length === 0) rmSync(file, { force: true });
    return waiting.length;
  }

  return {
    settle: async (order) => {
      try {
        await send(ledger, order);
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

/**
 * Settles what dead processes left in the folder; answers how many orders that were. Several processes may do it at once.
 * @throws Error where the database cannot be asked; the files then stay
 */
export async function adoptSpools({ pool }: Pick<Database, "pool">, folder: string, ledger: Ledger): Promise<number> {
  const names = readdirSync(folder).filter((name) => name.endsWith(ending));
  if (names.length === 0) return 0;
  const ids = names.map((name) => name.slice(0, -ending.length));
  const alive = await pool.query<{ id: string }>(
    "SELECT id::text FROM instance WHERE id::text = ANY ($1) AND lease_until > now()",
    [ids],
  );
  const living = new Set(alive.rows.map(({ id }) => id));
  let adopted = 0;
  for (const id of ids.filter((each) => !living.has(each))) {
    const orders = readOrders(fileOf(folder, id));
    await Promise.all(orders.map((order) => send(ledger, order)));
    rmSync(fileOf(folder, id), { force: true });
    adopted += orders.length;
  }
  return adopted;
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
