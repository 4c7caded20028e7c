/**
 * Settlements on their way into the database, in a local file, so that the client's answer need not wait for the database
 * and no charge is lost; what the database could not take is sent again until each of them is in. Settling twice changes
 * nothing.
 *
 * Each process writes a file of its own, named by its instance, so that several may share one folder; what a dead one
 * left behind is settled by the others, before they settle its holds by estimate.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Database } from "@codex-gateway/db";
import { openJournal, removeJournal } from "./journal.ts";
import type { Dead } from "./instance.ts";
import type { Capture, Ledger } from "./ledger.ts";

export type SettleOrder = { capture: Capture } | { release: string };

export type Spool = {
  /** Resolves when the order is in the file, or in the database. @throws Error only where neither can be written */
  settle(order: SettleOrder): Promise<void>;
  /** Resolves when the database has answered every order so far, at most after a second. */
  caughtUp(): Promise<void>;
  /** Sends again what the database could not take; answers how many of these orders are left. */
  replay(): Promise<number>;
  /** How many orders the database could not take yet. */
  size(): number;
};

export type SpoolOptions = {
  /**
   * true: an order is in the file before it is in the database. It outlives this process at once, but not a power failure
   * before the database has it. false: it is in the database first, and only where that fails in the file, synced.
   */
  writesAhead?: boolean;
  /** Above that the file is written anew, with what is not known to be in the database. */
  trimBytes?: number;
};

const defaultTrimBytes = 4 * 1024 * 1024;
const caughtUpMs = 1_000;
/** So many are sent again at once: there is room left in the ledger's queue for the calls of the moment. */
const partOrders = 256;

const ending = ".jsonl";
const fileOf = (folder: string, instanceId: string) => path.join(folder, instanceId + ending);

const send = (ledger: Ledger, order: SettleOrder, options?: { mayLag: boolean }) =>
  "capture" in order ? ledger.capture(order.capture, options) : ledger.release(order.release, options);

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

  let trimAboveBytes = trimBytes;

  function rewrite(): void {
    journal.replace([...unsettled].map(lineOf), { isSynced: refused.size > 0 });
    // Where the database takes nothing for long, not with every order.
    trimAboveBytes = Math.max(trimBytes, 2 * journal.sizeBytes());
  }

  /** Whether the database has taken it. */
  async function take(order: SettleOrder): Promise<boolean> {
    try {
      await send(ledger, order, { mayLag: writesAhead });
    } catch {
      refused.add(order);
      return false;
    }
    unsettled.delete(order);
    refused.delete(order);
    return true;
  }

  let linesOfTurn: string[] = [];
  let writeOfTurn: Promise<void> | null = null;

  /** With all that this turn of the event loop has to write. */
  function writeSoon(order: SettleOrder): Promise<void> {
    linesOfTurn.push(lineOf(order));
    unsettled.add(order);
    writeOfTurn ??= nextTurn().then(() => {
      const lines = linesOfTurn;
      linesOfTurn = [];
      writeOfTurn = null;
      if (journal.sizeBytes() > trimAboveBytes) rewrite();
      else journal.append(lines);
    });
    return writeOfTurn;
  }

  async function settleAhead(order: SettleOrder): Promise<void> {
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
    journal.append([lineOf(order)]);
    journal.sync();
  }

  let oldestBefore: SettleOrder | undefined;

  /** What waits for the database from one time to the next is to outlive a power failure as well. */
  function syncWhatWaits(): void {
    const [oldest] = unsettled;
    const isWaiting = oldest !== undefined && oldest === oldestBefore;
    oldestBefore = oldest;
    if (writesAhead && isWaiting) journal.sync();
  }

  async function sendAgain(): Promise<number> {
    try {
      syncWhatWaits();
    } finally {
      for (const part of partsOf([...refused])) await Promise.all(part.map(take));
    }
    // Only an empty spool gives up its file: until then a second replay after a crash is harmless.
    if (unsettled.size === 0) journal.remove();
    else if (journal.isGone()) rewrite();
    return refused.size;
  }

  return {
    settle: writesAhead ? settleAhead : settleThenWrite,
    caughtUp: async () => {
      if (!writesAhead) return;
      ledger.hurry();
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
 * Settles what the dead processes of this database left in the folder; answers how many holds that were. Several processes
 * may do it at once. `keepsFiles` where they may belong to a process that is dead in this database only.
 * @throws Error where the database cannot be asked; the files stay then
 */
export async function adoptSpools(
  { pool }: Pick<Database, "pool">,
  folder: string,
  ledger: Ledger,
  { deadAt = null, except = null, keepsFiles = false }: Partial<Dead> & { keepsFiles?: boolean } = {},
): Promise<number> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(ending)) : [];
  if (names.length === 0) return 0;
  // A file of another database's process, or of one that is not known here, is none of our business.
  const dead = await pool.query<{ id: string }>(
    `SELECT id::text FROM instance
     WHERE id::text = ANY ($1) AND lease_until < coalesce($2::timestamptz, now()) AND id::text IS DISTINCT FROM $3`,
    [names.map((name) => name.slice(0, -ending.length)), deadAt, except],
  );
  let adopted = 0;
  for (const { id } of dead.rows) {
    for (const part of partsOf(readOrders(fileOf(folder, id)))) {
      const open = await openOf(pool, part);
      const outcomes = await Promise.all(open.map((order) => send(ledger, order)));
      adopted += outcomes.filter(({ didSettle }) => didSettle).length;
    }
    if (!keepsFiles) removeJournal(fileOf(folder, id));
  }
  return adopted;
}

const idOf = (order: SettleOrder): string => ("capture" in order ? order.capture.id : order.release);

/** Most lines of a process that wrote ahead are long settled; the ledger would look them up one by one. */
async function openOf(pool: Database["pool"], orders: SettleOrder[]): Promise<SettleOrder[]> {
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id::text FROM hold WHERE id = ANY ($1::uuid[]) AND state = 'open'",
    [orders.map(idOf)],
  );
  const open = new Set(rows.map(({ id }) => id));
  return orders.filter((order) => open.has(idOf(order)));
}

const partsOf = (orders: SettleOrder[]): SettleOrder[][] =>
  Array.from({ length: Math.ceil(orders.length / partOrders) }, (_, n) =>
    orders.slice(n * partOrders, (n + 1) * partOrders),
  );

/** A replacer, which JSON.stringify would ask for every member, takes twice as long. */
function lineOf(order: SettleOrder): string {
  const { capture } = order as { capture?: Capture };
  const plain = capture ? { capture: { ...capture, costNanoUsd: String(capture.costNanoUsd) } } : order;
  return JSON.stringify(plain);
}

/** A line that was cut off was never answered for, and is left out. Of a file that is gone, another one has settled all. */
function readOrders(file: string): SettleOrder[] {
  if (!existsSync(file)) return [];
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
