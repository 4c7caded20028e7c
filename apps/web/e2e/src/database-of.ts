/** The database of a demo, for looking at the books from outside. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { openDatabase, type Database } from "@codex-gateway/db";
import type { RunningDemo } from "@codex-gateway/demo";
import { verifyLedger } from "@codex-gateway/domain";

export const urlOf = ({ dataFolder }: RunningDemo): string =>
  readFileSync(path.join(dataFolder, "database-url"), "utf8").trim();

export async function withDatabase<Result>(
  demo: RunningDemo,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const db = openDatabase(urlOf(demo), { maxConnections: 2 });
  return work(db).finally(() => db.close());
}

/** The invariants that do not hold; empty where the books are sound. */
export const breachesOf = (demo: RunningDemo): Promise<string[]> =>
  withDatabase(demo, async (db) =>
    (await verifyLedger(db)).filter(({ breaches }) => breaches > 0).map(({ invariant }) => invariant),
  );
