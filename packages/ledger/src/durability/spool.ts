/**
 * Settlements on their way into the database, and holds that were drawn from a reserve, in a local file, so that calls need
 * not wait for the database and no charge is lost; what the database could not take is sent again until each of them is in.
 * Doing so twice changes nothing.
 *
 * Each process writes a file of its own, named by its instance, so that several may share one folder; what a dead one
 * left behind is settled by the others, before they settle its holds by estimate.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { openJournal } from "./journal.ts";
import { heldInFull } from "../batching/flush.ts";
import type { HoldOrder, HoldOutcome, Ledger } from "../ledger.ts";
import { lineOf, type SettleOrder, type SpoolOrder } from "./settlement-lines.ts";

export type Spool = {
  /** As the ledger's, without its database where the key has a reserve: then it is in the file when this resolves. */
  hold(order: HoldOrder): Promise<HoldOutcome>;
  /**
   * Resolves when the order is in the file, or in the database. Where neither takes it, it stays in memory and is tried
   * again, and no further call is to be begun.
   */
  settle(order: SettleOrder): Promise<void>;
  /** Whether neither the file nor the database takes what calls leave behind. */
  isStuck(): boolean;
  /** Why the file cannot be written; null where it can. */
  fault(): Error | null;
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
  /** Told once when the file cannot be written any more, and with null when it can again. */
  onFault?: (fault: Error | null) => void;
};

const defaultTrimBytes = 4 * 1024 * 1024;
const caughtUpMs = 1_000;
/** So many are sent again at once: there is room left in the ledger's queue for the calls of the moment. */
const partOrders = 256;

export const logEnding = ".jsonl";
export const logFileOf = (folder: string, instanceId: string) => path.join(folder, instanceId + logEnding);

export function send(ledger: Ledger, order: SettleOrder, options?: { mayLag?: boolean; accountId?: string }) {
  return "capture" in order ? ledger.capture(order.capture, options) : ledger.release(order.release, options);
}

export function openSpool(
  folder: string,
  instanceId: string,
  ledger: Ledger,
  { writesAhead = false, trimBytes = defaultTrimBytes, onFault = () => undefined }: SpoolOptions = {},
): Spool {
  mkdirSync(folder, { recursive: true });
  const journal = openJournal(logFileOf(folder, instanceId));
  /** What is not known to be in the database. */
  const unsettled = new Set<SpoolOrder>();
  /** Of these, what the database could not take. */
  const refused = new Set<SpoolOrder>();
  let lastTaken: Promise<boolean> = Promise.resolve(true);
  let replaying: Promise<number> | null = null;
  let fault: Error | null = null;

  let trimAboveBytes = trimBytes;

  function setFault(next: Error | null): void {
    const isNews = (fault === null) !== (next === null);
    fault = next;
    if (isNews) onFault(next);
  }

  function rewrite(): void {
    journal.replace([...unsettled].map(lineOf), { isSynced: refused.size > 0 });
    // Where the database takes nothing for long, not with every order.
    trimAboveBytes = Math.max(trimBytes, 2 * journal.sizeBytes());
    setFault(null);
  }

  /** @throws Error where the disk does not take them; they are written with all else once it does */
  function append(lines: readonly string[]): void {
    try {
      journal.append(lines);
    } catch (error) {
      setFault(error as Error);
      throw error;
    }
  }

  /** Its lines are among what is not settled, and so is what could not be written before. */
  function trim(lines: readonly string[]): void {
    try {
      rewrite();
    } catch {
      append(lines);
    }
  }

  const lagging = { mayLag: writesAhead };

  /** Into the database. */
  function enter(order: SpoolOrder): Promise<unknown> {
    if (!("drawn" in order)) return send(ledger, order, lagging);
    return refused.has(order) ? ledger.placeAgain(order.drawn) : ledger.place(order.drawn);
  }

  /** Whether the database has taken it. */
  async function take(order: SpoolOrder): Promise<boolean> {
    try {
      await enter(order);
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
  function writeSoon(order: SpoolOrder): Promise<void> {
    linesOfTurn.push(lineOf(order));
    unsettled.add(order);
    writeOfTurn ??= nextTurn().then(() => {
      const lines = linesOfTurn;
      linesOfTurn = [];
      writeOfTurn = null;
      if (journal.sizeBytes() > trimAboveBytes) trim(lines);
      else append(lines);
    });
    return writeOfTurn;
  }

  /** @throws Error where neither the file nor the database takes it */
  function enterAhead(order: SpoolOrder): Promise<void> {
    const written = writeSoon(order);
    const taken = (lastTaken = take(order));
    return written.catch(async (error: unknown) => {
      if (!(await taken)) throw error;
    });
  }

  /** What neither takes is among what is sent again, and its answer is not held back for it. */
  const settleAhead = (order: SettleOrder): Promise<void> => enterAhead(order).catch(() => undefined);

  async function settleThenWrite(order: SettleOrder): Promise<void> {
    if (await take(order)) return;
    unsettled.add(order);
    try {
      append([lineOf(order)]);
      journal.sync();
    } catch (error) {
      setFault(error as Error);
    }
  }

  let oldestBefore: SpoolOrder | undefined;

  /** What waits for the database from one time to the next is to outlive a power failure as well. */
  function syncWhatWaits(): void {
    const [oldest] = unsettled;
    const isWaiting = oldest !== undefined && oldest === oldestBefore;
    oldestBefore = oldest;
    if (writesAhead && isWaiting) journal.sync();
  }

  /** A file that could not be written, or that somebody has taken for a dead process's, is made anew. */
  function mendFile(): void {
    try {
      if (fault !== null) rewrite();
      else syncWhatWaits();
    } catch (error) {
      setFault(error as Error);
    }
  }

  async function sendAgain(): Promise<number> {
    mendFile();
    for (const part of partsOf([...refused])) await Promise.all(part.map(take));
    try {
      // Only an empty spool gives up its file: until then a second replay after a crash is harmless.
      if (unsettled.size === 0) journal.remove();
      else if (journal.isGone()) rewrite();
    } catch (error) {
      setFault(error as Error);
    }
    return refused.size;
  }

  return {
    hold: (order) => {
      const drawn = writesAhead && fault === null ? ledger.draw(order) : null;
      if (!drawn) return ledger.hold(order);
      return enterAhead({ drawn }).then(() => heldInFull(order));
    },
    settle: writesAhead ? settleAhead : settleThenWrite,
    isStuck: () => fault !== null && refused.size > 0,
    fault: () => fault,
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

export const partsOf = (orders: SpoolOrder[]): SpoolOrder[][] =>
  Array.from({ length: Math.ceil(orders.length / partOrders) }, (_, n) =>
    orders.slice(n * partOrders, (n + 1) * partOrders),
  );
