/**
 * Settlements on their way into the database, and holds that were drawn from a reserve, in a local file, so that calls need
 * not wait for the database and no charge is lost; what the database could not take is sent again until each of them is in.
 * Doing so twice changes nothing.
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
import { heldInFull } from "./flush.ts";
import type { Capture, DrawnHold, HoldOrder, HoldOutcome, Ledger } from "./ledger.ts";

export type SettleOrder = { capture: Capture } | { release: string };
/** What the file has lines of. */
type SpoolOrder = SettleOrder | { drawn: DrawnHold };

export type Spool = {
  /** As the ledger's, without its database where the key has a reserve: then it is in the file when this resolves. */
  hold(order: HoldOrder): Promise<HoldOutcome>;
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

function send(ledger: Ledger, order: SettleOrder, options?: { mayLag: boolean }) {
  const { capture, release = "" } = order as { capture?: Capture; release?: string };
  return capture ? ledger.capture(capture, options) : ledger.release(release, options);
}

export function openSpool(
  folder: string,
  instanceId: string,
  ledger: Ledger,
  { writesAhead = false, trimBytes = defaultTrimBytes }: SpoolOptions = {},
): Spool {
  mkdirSync(folder, { recursive: true });
  const journal = openJournal(fileOf(folder, instanceId));
  /** What is not known to be in the database. */
  const unsettled = new Set<SpoolOrder>();
  /** Of these, what the database could not take. */
  const refused = new Set<SpoolOrder>();
  let lastTaken: Promise<boolean> = Promise.resolve(true);
  let replaying: Promise<number> | null = null;

  let trimAboveBytes = trimBytes;

  function rewrite(): void {
    journal.replace([...unsettled].map(lineOf), { isSynced: refused.size > 0 });
    // Where the database takes nothing for long, not with every order.
    trimAboveBytes = Math.max(trimBytes, 2 * journal.sizeBytes());
  }

  const lagging = { mayLag: writesAhead };

  /** Into the database. */
  function enter(order: SpoolOrder): Promise<unknown> {
    const { drawn } = order as { drawn?: DrawnHold };
    if (!drawn) return send(ledger, order as SettleOrder, lagging);
    return refused.has(order) ? ledger.placeAgain(drawn) : ledger.place(drawn);
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
      if (journal.sizeBytes() > trimAboveBytes) rewrite();
      else journal.append(lines);
    });
    return writeOfTurn;
  }

  function settleAhead(order: SpoolOrder): Promise<void> {
    const written = writeSoon(order);
    const taken = (lastTaken = take(order));
    return written.catch(async (error: unknown) => {
      if (!(await taken)) throw error;
    });
  }

  async function settleThenWrite(order: SettleOrder): Promise<void> {
    if (await take(order)) return;
    unsettled.add(order);
    journal.append([lineOf(order)]);
    journal.sync();
  }

  let oldestBefore: SpoolOrder | undefined;

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
    hold: (order) => {
      const drawn = writesAhead ? ledger.draw(order) : null;
      if (!drawn) return ledger.hold(order);
      return settleAhead({ drawn }).then(() => heldInFull(order));
    },
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
      await placeMissing(pool, ledger, part);
      const open = await openOf(pool, part);
      const outcomes = await Promise.all(open.map((order) => send(ledger, order)));
      adopted += outcomes.filter(({ didSettle }) => didSettle).length;
    }
    if (!keepsFiles) removeJournal(fileOf(folder, id));
  }
  return adopted;
}

const idOf = (order: SpoolOrder): string =>
  "capture" in order ? order.capture.id : "drawn" in order ? order.drawn.hold.id : order.release;

const isDrawn = (order: SpoolOrder): order is { drawn: DrawnHold } => "drawn" in order;

async function idsIn(pool: Database["pool"], where: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await pool.query<{ id: string }>(`SELECT id::text FROM hold WHERE id = ANY ($1::uuid[]) ${where}`, [
    ids,
  ]);
  return new Set(rows.map(({ id }) => id));
}

/**
 * As holds of the process that drew them: what it does not say how to settle is settled by what is known of the call. One
 * whose reserve is not known was drawn from another state of this database, before a backup was restored.
 */
async function placeMissing(pool: Database["pool"], ledger: Ledger, orders: SpoolOrder[]): Promise<void> {
  const drawn = orders.filter(isDrawn);
  const reserves = [...new Set(drawn.map(({ drawn: { reserveId } }) => reserveId))];
  const known = await idsIn(pool, "", [...drawn.map(idOf), ...reserves]);
  const missing = drawn.filter((order) => !known.has(idOf(order)) && known.has(order.drawn.reserveId));
  if (missing.length === 0) return;
  await Promise.all(missing.map((order) => ledger.place(order.drawn)));
  // They are to be looked for once more, however long it has been dead.
  await pool.query("UPDATE instance SET reaped_at = NULL WHERE id = ANY ($1::uuid[])", [
    missing.map((order) => order.drawn.instance.id),
  ]);
}

/** Most lines of a process that wrote ahead are long settled; the ledger would look them up one by one. */
async function openOf(pool: Database["pool"], orders: SpoolOrder[]): Promise<SettleOrder[]> {
  const settlements = orders.filter((order): order is SettleOrder => !isDrawn(order));
  const open = await idsIn(pool, "AND state = 'open'", settlements.map(idOf));
  return settlements.filter((order) => open.has(idOf(order)));
}

const partsOf = (orders: SpoolOrder[]): SpoolOrder[][] =>
  Array.from({ length: Math.ceil(orders.length / partOrders) }, (_, n) =>
    orders.slice(n * partOrders, (n + 1) * partOrders),
  );

/** Put together by hand, as JSON.stringify takes twice as long: ids, numbers and our own words need no escapes. */
function lineOf(order: SpoolOrder): string {
  const { drawn, capture, release } = order as { drawn?: DrawnHold; capture?: Capture; release?: string };
  if (drawn) return `{"drawn":${drawnJson(drawn)}}`;
  return capture ? `{"capture":${captureJson(capture)}}` : JSON.stringify({ release });
}

const drawnJson = ({ hold, reserveId, instance }: DrawnHold): string =>
  `{"reserveId":"${reserveId}","instance":{"id":"${instance.id}","epoch":"${instance.epoch}"},"hold":{"id":"${hold.id}",` +
  `"accountId":"${hold.accountId}","apiKeyId":"${hold.apiKeyId}","priceVersionId":"${hold.priceVersionId}",` +
  `"endpoint":"${hold.endpoint}","model":${JSON.stringify(hold.model)},"inputTokensBound":${hold.inputTokensBound},` +
  `"amountNanoUsd":"${hold.amountNanoUsd}"}}`;

const captureJson = (capture: Capture): string =>
  `{"id":"${capture.id}","costNanoUsd":"${capture.costNanoUsd}","usage":${JSON.stringify(capture.usage)},` +
  `"basis":"${capture.basis}","flags":${capture.flags.length === 0 ? "[]" : JSON.stringify(capture.flags)},` +
  `"servedModel":${textJson(capture.servedModel)},"serviceTier":${textJson(capture.serviceTier)},` +
  `"upstreamId":${textJson(capture.upstreamId)},"upstreamRequestId":${textJson(capture.upstreamRequestId)},` +
  `"upstreamResponseId":${textJson(capture.upstreamResponseId)},"status":${capture.status},` +
  `"isStream":${capture.isStream},"timeToFirstByteMs":${capture.timeToFirstByteMs},"latencyMs":${capture.latencyMs}}`;

const textJson = (text: string | null): string => (text === null ? "null" : JSON.stringify(text));

type Line =
  | { capture: Omit<Capture, "costNanoUsd"> & { costNanoUsd: string } }
  | { release: string }
  | {
      drawn: {
        reserveId: string;
        instance: { id: string; epoch: string };
        hold: Omit<HoldOrder, "amountNanoUsd"> & { amountNanoUsd: string };
      };
    };

function orderOf(line: Line): SpoolOrder {
  if ("release" in line) return line;
  if ("capture" in line) return { capture: { ...line.capture, costNanoUsd: BigInt(line.capture.costNanoUsd) } };
  const { reserveId, instance, hold } = line.drawn;
  return {
    drawn: {
      reserveId,
      instance: { id: instance.id, epoch: BigInt(instance.epoch) },
      hold: { ...hold, amountNanoUsd: BigInt(hold.amountNanoUsd), minAmountNanoUsd: null },
    },
  };
}

/** A line that was cut off was never answered for, and is left out. Of a file that is gone, another one has settled all. */
function readOrders(file: string): SpoolOrder[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line): SpoolOrder[] => {
      try {
        return [orderOf(JSON.parse(line) as Line)];
      } catch {
        return [];
      }
    });
}
