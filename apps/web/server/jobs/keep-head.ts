/** Keeps a head of the books outside the database once a day and with each backup, in one of the processes of a folder. */
import { advisoryLocks, type Database } from "@codex-gateway/db";
import { noteBooksHead, type Secrets } from "@codex-gateway/domain";
import { differences, readHead, takeHead } from "@codex-gateway/ledger";
import { keepClock, keepHead, readKeptHeads } from "./kept-heads.ts";

export const headsEveryMs = 24 * 60 * 60_000;
/** Of new books: the first head has nothing in it. */
const emptyEveryMs = 60 * 60_000;

export type HeadKeeping = {
  folder: string;
  secrets: Secrets;
  everyMs: number;
  /** So long ago a head's moment lies; by default long enough for whatever is under way. */
  settledMs?: number;
};

/**
 * `differs`: the newest head that is kept does not stand in the books any more. None is added to it then: the next check
 * tells of it, and goes on telling. `busy`: another process is at it.
 */
export type HeadOutcome = "kept" | "not_due" | "differs" | "clock_set_back" | "busy";

/** @throws Error where the folder cannot be written or the database does not answer */
export async function keepHeadIfDue(db: Pick<Database, "pool">, keeping: HeadKeeping): Promise<HeadOutcome> {
  const client = await db.pool.connect();
  let isLocked = false;
  try {
    type Row = { is_mine: boolean; now_ms: number };
    const { rows } = await client.query<Row>(
      "SELECT pg_try_advisory_lock($1) AS is_mine, extract(epoch FROM now())::float8 * 1000 AS now_ms",
      [advisoryLocks.booksHead],
    );
    isLocked = rows[0]?.is_mine === true;
    return isLocked ? await keepAt(client, keeping, rows[0]?.now_ms ?? 0) : "busy";
  } finally {
    const isUnlocked =
      !isLocked ||
      (await client.query("SELECT pg_advisory_unlock($1)", [advisoryLocks.booksHead]).then(
        () => true,
        () => false,
      ));
    client.release(!isUnlocked);
  }
}

async function keepAt(
  client: { query: Database["pool"]["query"] },
  { folder, secrets, everyMs, settledMs }: HeadKeeping,
  nowMs: number,
): Promise<HeadOutcome> {
  const newest = readKeptHeads(folder, secrets).heads.at(-1);
  if (newest) {
    const ageMs = nowMs - Date.parse(newest.before);
    if (ageMs < 0) {
      keepClock(folder, secrets, new Date(nowMs));
      return "clock_set_back";
    }
    if (ageMs < (newest.accounts === 0 ? Math.min(everyMs, emptyEveryMs) : everyMs)) return "not_due";
    if (differences(newest, await readHead(client, newest.before)).length > 0) return "differs";
  }
  keepHead(folder, secrets, await takeHead({ pool: client }, settledMs === undefined ? {} : { settledMs }));
  return "kept";
}

/** Sends the newest head that is kept to the webhook, if there is one. */
export async function tellHead(db: Pick<Database, "pool">, { folder, secrets }: HeadKeeping): Promise<void> {
  const head = readKeptHeads(folder, secrets).heads.at(-1);
  if (head) await noteBooksHead(db, head);
}
