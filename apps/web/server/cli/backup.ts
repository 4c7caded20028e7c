/** npm run backup [-- FILE]: the whole database in one file, while the gateway runs on. `-` writes to standard output. */
import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { writeBackup } from "@codex-gateway/db";
import { fileArgument, runCommand } from "./command.ts";
import { findDatabaseOf } from "../boot/database-of.ts";
import { keepHeadIfDue } from "../jobs/keep-head.ts";
import { headsFolderOf } from "../jobs/kept-heads.ts";
import { existingSecrets } from "../boot/secret-key.ts";

await runCommand(async ({ env, undo }) => {
  const startedAtMs = Date.now();
  const { database } = await findDatabaseOf(env, undo);
  const secrets = existingSecrets(env);
  if (!secrets) throw new Error("There is no secret key; set SECRET_KEY to the gateway's.");
  const secretKeyId = secrets.id;
  const keeping = { folder: headsFolderOf(env.DATA_FOLDER), secrets, everyMs: 60 * 60_000 };
  // A backup is worth having without it.
  await keepHeadIfDue(database, keeping).then(
    (outcome) => {
      if (outcome === "differs") console.error("The books are not what was kept of them: run npm run verify.");
    },
    (error: unknown) => console.error(`The head of the books could not be kept: ${(error as Error).message}`),
  );
  const given = fileArgument();
  if (given === "-") {
    await writeBackup(database, process.stdout, { secretKeyId });
    return 0;
  }
  const file = path.resolve(given ?? defaultFile(env.DATA_FOLDER));
  if (given === undefined) mkdirSync(path.dirname(file), { recursive: true });
  else if (!existsSync(path.dirname(file))) throw new Error(`There is no folder ${path.dirname(file)}.`);
  // Only a whole backup gets the name.
  const unfinished = `${file}.unfinished`;
  try {
    const counts = await writeBackup(database, createWriteStream(unfinished, { mode: 0o600 }), { secretKeyId });
    renameSync(unfinished, file);
    const seconds = ((Date.now() - startedAtMs) / 1_000).toFixed(1);
    const megabytes = (statSync(file).size / 1e6).toFixed(1);
    console.log(`${file}: ${counts.user ?? 0} users, ${counts.charge ?? 0} charges, ${megabytes} MB, in ${seconds} s.`);
    const secretKey = env.SECRET_KEY ? "SECRET_KEY" : path.join(env.DATA_FOLDER, "secret-key");
    console.log(`It can be read only with the secret key ${secretKeyId}: keep ${secretKey} elsewhere.`);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return 0;
});

function defaultFile(dataFolder: string): string {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  return path.join(dataFolder, "backups", `codex-gateway-${stamp}.sql.gz`);
}
