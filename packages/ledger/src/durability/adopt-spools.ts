/** Settles what the dead processes of this database left in the folder of logs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Database } from "@codex-gateway/db";
import { recordDeadLetter } from "./dead-letters.ts";
import type { Dead } from "./instance.ts";
import { removeJournal } from "./journal.ts";
import type { Ledger } from "../ledger.ts";
import { idOf, isDrawn, readLines, type ReadLine, type SettleOrder, type SpoolOrder } from "./settlement-lines.ts";
import { logEnding, logFileOf, partsOf, send } from "./spool.ts";

export type Adopted = {
  /** How many holds were settled. */
  settled: number;
  /** Lines that could not be read, and were set aside as dead letters. */
  unread: number;
  /** The processes whose logs could not be settled from, and why; their files stay. */
  failed: { instanceId: string; error: unknown }[];
};

/**
 * Several processes may do it at once. `keepsFiles` where they may belong to a process that is dead in this database only.
 * @throws Error where the database cannot be asked who is dead
 */
export async function adoptSpools(
  { pool }: Pick<Database, "pool">,
  folder: string,
  ledger: Ledger,
  { deadAt = null, except = null, only = null, keepsFiles = false }: Partial<Dead> & { keepsFiles?: boolean } = {},
): Promise<Adopted> {
  const adopted: Adopted = { settled: 0, unread: 0, failed: [] };
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(logEnding)) : [];
  if (names.length === 0) return adopted;
  // A file of another database's process, or of one that is not known here, is none of our business.
  const dead = await pool.query<{ id: string }>(
    `SELECT id::text FROM instance
     WHERE id::text = ANY ($1) AND lease_until < coalesce($2::timestamptz, now()) AND id::text IS DISTINCT FROM $3
       AND ($4::text[] IS NULL OR id::text = ANY ($4))`,
    [names.map((name) => name.slice(0, -logEnding.length)), deadAt, except, only],
  );
  for (const { id } of dead.rows) {
    try {
      const { settled, unread } = await adoptLog({ pool, ledger }, logFileOf(folder, id), id);
      adopted.settled += settled;
      adopted.unread += unread;
      if (!keepsFiles) removeJournal(logFileOf(folder, id));
    } catch (error) {
      adopted.failed.push({ instanceId: id, error });
    }
  }
  return adopted;
}

type Parts = { pool: Database["pool"]; ledger: Ledger };

/** @throws Error where the file cannot be read, or the database does not take all of it */
async function adoptLog(parts: Parts, file: string, instanceId: string): Promise<{ settled: number; unread: number }> {
  const { pool, ledger } = parts;
  // Of a file that is gone, another process has settled all.
  const lines = existsSync(file) ? readLines(readFileSync(file)) : [];
  const damaged = lines.filter((line): line is Extract<ReadLine, { order: null }> => line.order === null);
  for (const { line, reason, holdId } of damaged) {
    await recordDeadLetter({ pool }, { holdId, instanceId, line, reason, outcome: "unread" });
  }
  let settled = 0;
  for (const part of partsOf(lines.flatMap(({ order }) => order ?? []))) {
    await placeMissing(parts, part);
    const open = await findOpen(pool, part);
    const outcomes = await Promise.allSettled(open.map(([order, accountId]) => send(ledger, order, { accountId })));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
    settled += outcomes.filter((outcome) => outcome.status === "fulfilled" && outcome.value.didSettle).length;
  }
  return { settled, unread: damaged.length };
}

/** The accounts of the holds that stand, by the hold's id. */
async function accountsOf(pool: Database["pool"], ids: string[], where = ""): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const { rows } = await pool.query<{ id: string; account_id: string }>(
    `SELECT id::text, account_id::text FROM hold WHERE id = ANY ($1::uuid[]) ${where}`,
    [ids],
  );
  return new Map(rows.map(({ id, account_id }) => [id, account_id]));
}

/**
 * As holds of the process that drew them: what it does not say how to settle is settled by what is known of the call. One
 * whose reserve is not known was drawn from another state of this database, before a backup was restored.
 */
async function placeMissing({ pool, ledger }: Parts, orders: SpoolOrder[]): Promise<void> {
  const drawn = orders.filter(isDrawn);
  const reserves = [...new Set(drawn.map(({ drawn: { reserveId } }) => reserveId))];
  const known = await accountsOf(pool, [...drawn.map(idOf), ...reserves]);
  const missing = drawn.filter((order) => !known.has(idOf(order)) && known.has(order.drawn.reserveId));
  if (missing.length === 0) return;
  await Promise.all(missing.map((order) => ledger.place(order.drawn)));
  // They are to be looked for once more, however long it has been dead.
  await pool.query("UPDATE instance SET reaped_at = NULL WHERE id = ANY ($1::uuid[])", [
    missing.map((order) => order.drawn.instance.id),
  ]);
}

/**
 * With the account of each. Most lines of a process that wrote ahead are long settled; the ledger would look them up one by
 * one. A charge that others have estimated meanwhile is corrected by what the line says.
 */
async function findOpen(pool: Database["pool"], orders: SpoolOrder[]): Promise<[SettleOrder, string][]> {
  const settlements = orders.filter((order): order is SettleOrder => !isDrawn(order));
  const open = await accountsOf(
    pool,
    settlements.map(idOf),
    `AND (state = 'open' OR EXISTS (SELECT 1 FROM charge c WHERE c.hold_id = hold.id AND c.basis = 'orphan'
       AND NOT EXISTS (SELECT 1 FROM true_up t WHERE t.hold_id = c.hold_id)))`,
  );
  return settlements.flatMap((order): [SettleOrder, string][] => {
    const accountId = open.get(idOf(order));
    return accountId === undefined ? [] : [[order, accountId]];
  });
}
