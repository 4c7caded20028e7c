/** npm run backup [-- FILE]: the whole database in one file, while the gateway runs on. `-` writes to standard output. */
import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { writeBackup } from "@codex-gateway/db";
import { fileArgument, runCommand } from "./command.ts";
import { findDatabaseOf } from "../boot/database-of.ts";
import { existingSecrets } from "../boot/secret-key.ts";

await runCommand(async ({ env, undo }) => {
  const startedAtMs = Date.now();
  const { database } = await findDatabaseOf(env, undo);
  const secretKeyId = existingSecrets(env)?.id;
  if (!secretKeyId) throw new Error("There is no secret key; set SECRET_KEY to the gateway's.");
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
