/**
 * Settlements on their way into the database, in a local file, so that the client's answer need not wait for the database
 * and no charge is lost; what the database could not take is sent again until each of them is in. Settling twice changes
 * nothing.
 *
 * Each process writes a file of its own, named by its instance, so that several may share one folder; what a dead one
 * left behind is settled by the others, before they settle its holds by estimate.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Database } from "@codex-gateway/db";
import { openJournal, removeJournal } from "./journal.ts";
import type { Capture, Ledger } from "./ledger.ts";

export type SettleOrder = { capture: Capture } | { release: string };

export type Spool = {
  /** Resolves when the order is in the file, or in the database. @throws Error only where neither can be written */
  settle(order: SettleOrder): Promise<void>;
  /** Resolves when the database has answered to every order so far, at most after a second. */
  caughtUp(): Promise<void>;
  /** Sends again what the database could not take; answers how many of these orders are left. */
  replay(): Promise<number>;
  /** How many orders the database could not take yet. */
  size(): number;
};

export type SpoolOptions = {
  /**
   * true: an order is in the file before it is in the database, and outlives this process, but not a power failure in the
   * moment that the database needs. false: it is in the database first, and only where that fails in the file, synced.
   */
  writesAhead?: boolean;
  /** From here on the file is written anew, with what is not known to be in the database. */
  trimBytes?: number;
};

const defaultTrimBytes = 4 * 1024 * 1024;
const caughtUpMs = 1_000;
/** So many are sent again at once: there is room left in the ledger's queue for the calls of the moment. */
const partOrders = 256;

const ending = ".jsonl";
const fileOf = (folder: string, instanceId: string) => path.join(folder, instanceId + ending);

const send = (ledger: Ledger, order: SettleOrder) =>
  "capture" in order ? ledger.capture(order.capture) : ledger.release(order.release);

export function openSpool(
  folder: string,
  instanceId: string,
  ledger: Ledger,
  { writesAhead = false, trimBytes = defaultTrimBytes }: SpoolOptions = {},
): Spool {
  mkdirSync(folder, { recursive: true });
  const journal = openJournal(fileOf(folder, instanceId));
  /** What is not known to be in the database. */
  const unsettled = new Set<SettleOrder>();
  /** Of these, what the database could not take. */
  const refused = new Set<SettleOrder>();
  let lastTaken: Promise<boolean> = Promise.resolve(true);
  let replaying: Promise<number> | null = null;

  const rewrite = () => journal.replace([...unsettled].map(lineOf).join(""));

  let isSyncDue = false;

  /** What waits for the database for long is to outlive a power failure as well. */
  function syncSoon(): void {
    if (isSyncDue) return;
    isSyncDue = true;
    setImmediate(() => {
      isSyncDue = false;
      try {
        journal.sync();
      } catch {
        // It is sent again from memory, and a stop reports what is left.
      }
    });
  }

  /** Whether the database has taken it. */
  async function take(order: SettleOrder): Promise<boolean> {
    try {
      await send(ledger, order);
    } catch {
      refused.add(order);
      if (writesAhead) syncSoon();
      return false;
    }
    unsettled.delete(order);
    refused.delete(order);
    return true;
  }

  let turnsLines = "";
  let turnsWrite: Promise<void> | null = null;

  /** With all that this turn of the event loop has to write. */
  function writeSoon(order: SettleOrder): Promise<void> {
    turnsLines += lineOf(order);
    turnsWrite ??= nextTurn().then(() => {
      const lines = turnsLines;
      turnsLines = "";
      turnsWrite = null;
      if (journal.sizeBytes() + lines.length > trimBytes) rewrite();
      else journal.append(lines);
    });
    return turnsWrite;
  }

  async function settleAhead(order: SettleOrder): Promise<void> {
    unsettled.add(order);
    const written = writeSoon(order);
    const taken = (lastTaken = take(order));
    try {
      await written;
    } catch (error) {
      if (!(await taken)) throw error;
    }
  }

  async function settleThenWrite(order: SettleOrder): Promise<void> {
    if (await take(order)) return;
    unsettled.add(order);
    journal.append(lineOf(order));
    journal.sync();
  }

  async function sendAgain(): Promise<number> {
    for (const part of partsOf([...refused])) await Promise.all(part.map(take));
    // Only an empty spool gives up its file: until then a second replay after a crash is harmless.
    if (unsettled.size === 0) journal.remove();
    else if (journal.isGone()) rewrite();
    return refused.size;
  }

  return {
    settle: writesAhead ? settleAhead : settleThenWrite,
    caughtUp: async () => {
      if (!writesAhead) return;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => (timer = setTimeout(resolve, caughtUpMs)));
      await Promise.race([lastTaken, late]);
      clearTimeout(timer);
    },
    replay: () => (replaying ??= sendAgain().finally(() => (replaying = null))),
    size: () => refused.size,
  };
}

/**
 * Settles what dead processes left in the folder; answers how many holds that were. Several processes may do it at once.
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
    for (const part of partsOf(readOrders(fileOf(folder, id)))) {
      const outcomes = await Promise.all(part.map((order) => send(ledger, order)));
      adopted += outcomes.filter(({ didSettle }) => didSettle).length;
    }
    removeJournal(fileOf(folder, id));
  }
  return adopted;
}

const partsOf = (orders: SettleOrder[]): SettleOrder[][] =>
  Array.from({ length: Math.ceil(orders.length / partOrders) }, (_, n) =>
    orders.slice(n * partOrders, (n + 1) * partOrders),
  );

/** A replacer, which JSON.stringify would ask for every member, takes twice as long. */
function lineOf(order: SettleOrder): string {
  const { capture } = order as { capture?: Capture };
  const plain = capture ? { capture: { ...capture, costNanoUsd: String(capture.costNanoUsd) } } : order;
  return `${JSON.stringify(plain)}\n`;
}

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
