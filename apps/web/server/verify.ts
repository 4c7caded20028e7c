/** Checks the books (I1 to I9) of the gateway's database, prints each figure, and exits 1 on any breach. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openDatabase, startEmbeddedPostgres } from "@codex-gateway/db";
import { verifyLedger } from "@codex-gateway/domain";
import { lockDataFolder } from "./data-folder-lock.ts";
import { readEnv } from "./env.ts";

const rootFolder = fileURLToPath(new URL("../../..", import.meta.url));

try {
  const env = readEnv(process.env, rootFolder);
  const { url, close } = await findDatabase(env.DATABASE_URL, env.DATA_FOLDER);
  const database = openDatabase(url, { maxConnections: 1 });
  const findings = await verifyLedger(database).finally(() => database.close());
  await close();
  for (const { invariant, says, breaches } of findings) {
    console.log(`${invariant}  ${breaches === 0 ? "holds " : "BROKEN"}  ${String(breaches).padStart(6)}  ${says}`);
  }
  process.exit(findings.every(({ breaches }) => breaches === 0) ? 0 : 1);
} catch (error) {
  console.error(`Codex Gateway: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

/** The given database, the embedded one of a gateway that runs, or the embedded one, started for this check. */
async function findDatabase(given: string | undefined, dataFolder: string) {
  const close = () => Promise.resolve();
  if (given) return { url: given, close };
  const running = path.join(dataFolder, "database-url");
  if (existsSync(running)) return { url: readFileSync(running, "utf8").trim(), close };
  if (!existsSync(path.join(dataFolder, "postgres"))) throw new Error(`There are no books in ${dataFolder} yet.`);
  const unlock = lockDataFolder(dataFolder);
  const server = await startEmbeddedPostgres(dataFolder);
  return {
    url: server.url,
    close: async () => {
      await server.stop();
      unlock();
    },
  };
}
