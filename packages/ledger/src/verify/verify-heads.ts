/** The books as they are now against the heads of them that were kept outside the database. */
import type { Queryable } from "@codex-gateway/db";
import { differences, readHead, type BooksHead } from "./books-head.ts";

/** What was kept, oldest first, and what is wrong with the keeping itself, in sentences. */
export type KeptHeads = { heads: BooksHead[]; faults: string[] };

/** The newest, the one before, the fourth, the eighth … from the end: a head proves all that is older than itself. */
export const spreadOf = (heads: readonly BooksHead[]): BooksHead[] =>
  heads.filter((_head, at) => Number.isInteger(Math.log2(heads.length - at))).reverse();

/** Looks whether the kept heads still stand in the books; `notes` says in sentences what does not. */
export async function checkHeads(
  client: Queryable,
  kept: KeptHeads,
  rest?: (tookMs: number) => Promise<void>,
): Promise<{ checked: number; breaches: number; notes: string[] }> {
  const wrong: { head: BooksHead; says: string }[] = [];
  let fitting: BooksHead | null = null;
  const chosen = spreadOf(kept.heads);
  for (const head of chosen) {
    const [first, ...others] = differences(head, await readHead(client, head.before, rest));
    if (first === undefined) fitting ??= head;
    else wrong.push({ head, says: [first, ...others].join("; ") });
  }
  const [newest] = wrong;
  const notes = newest
    ? [
        `What was written before ${newest.head.before} is not what it was then (${newest.says}).`,
        fitting === null
          ? "No head that was looked at fits."
          : `The head of ${fitting.before} fits: what came between was changed or cut off, or these are the books of an older ` +
            "backup, which something else than npm run restore has read.",
      ]
    : [];
  return { checked: chosen.length, breaches: wrong.length + kept.faults.length, notes: [...kept.faults, ...notes] };
}
