/** The database of a demo, for looking at the books from outside. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { openPrice } from "@codex-gateway/domain";
import { openDatabase, type Database } from "@codex-gateway/db";
import type { RunningDemo } from "@codex-gateway/demo";
import { verifyLedger, type Finding } from "@codex-gateway/ledger";

export const urlOf = ({ dataFolder }: RunningDemo): string =>
  readFileSync(path.join(dataFolder, "database-url"), "utf8").trim();

export async function withDatabase<Result>(
  demo: RunningDemo,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const db = openDatabase(urlOf(demo), { maxConnections: 2 });
  return work(db).finally(() => db.close());
}

/** What is wrong in the books; empty where they are sound. */
export const breachesIn = async (db: Database): Promise<Finding[]> =>
  (await verifyLedger(db, openPrice)).filter(({ breaches }) => breaches > 0);

export const breachesOf = (demo: RunningDemo): Promise<Finding[]> => withDatabase(demo, breachesIn);
