/** npm run restore -- FILE: reads a backup into an empty database, settles what was under way, and proves the books. */
import { createReadStream, existsSync } from "node:fs";
import { openPrice, type Secrets } from "@codex-gateway/domain";
import { findSchemaFolders, readBackup, type BackupHead } from "@codex-gateway/db";
import {
  adoptSpools,
  closeInstance,
  createLedger,
  endAllLeases,
  openInstance,
  reapOrphans,
  restoreInstances,
  verifyLedger,
  type KeptHeads,
} from "@codex-gateway/ledger";
import { fileArgument, runCommand } from "./command.ts";
import { spoolFolderOf, type Env } from "../boot/env.ts";
import { findDatabaseOf } from "../boot/database-of.ts";
import { headsFolderOf, keepRestore, readKeptHeads } from "../jobs/kept-heads.ts";
import { existingSecrets } from "../boot/secret-key.ts";

await runCommand(async ({ env, rootFolder, undo }) => {
  const file = fileArgument();
  if (!file) throw new Error("Name the backup: npm run restore -- FILE (or - for standard input).");
  if (file !== "-" && !existsSync(file)) throw new Error(`There is no file ${file}.`);
  const secrets = existingSecrets(env);
  const check = ({ secretKeyId }: BackupHead) => {
    if (secrets && [secrets.id, secrets.previous?.id].includes(secretKeyId)) return;
    throw new Error(
      `The backup needs the secret key ${secretKeyId}, and ${secrets ? `here is ${secrets.id}` : "here is none"}: ` +
        "set SECRET_KEY, or data/secret-key, to the one it was made under.",
    );
  };
  const startedAtMs = Date.now();
  const { database } = await findDatabaseOf(env, undo, { mayCreate: true });
  const source = file === "-" ? process.stdin : createReadStream(file);
  const { head, counts } = await readBackup(database, source, {
    folders: findSchemaFolders(rootFolder),
    check,
  });
  const loadedAtMs = Date.now();
  console.log(
    `Restored the state of ${head.createdAt}: ${counts.user ?? 0} users, ${counts.charge ?? 0} charges, ` +
      `in ${seconds(loadedAtMs - startedAtMs)} s.`,
  );

  // The calls that were under way are over; their processes are not here to say how.
  await restoreInstances(database, Infinity);
  await endAllLeases(database);
  const instance = await openInstance(database);
  const ledger = createLedger(database.pool, instance, { openPrice });
  // Here may lie what they had written down; whoever still runs on another database goes on with its file.
  const adopted = await adoptSpools(database, spoolFolderOf(env), ledger, { keepsFiles: true });
  for (const { error } of adopted.failed) console.error(`A log could not be read: ${(error as Error).message}`);
  let { settled } = adopted;
  for (;;) {
    const reaped = await reapOrphans(database, ledger);
    settled += reaped.settled;
    for (const error of reaped.errors) console.error(`A call could not be settled: ${(error as Error).message}`);
    if (reaped.settled === 0) break;
  }
  await ledger.idle();
  await closeInstance(database, instance);
  if (settled > 0) console.log(`${settled} calls that were under way are settled by what was known of them.`);

  const findings = await verifyLedger(database, openPrice, { readHeads: () => headsAsOf(env, secrets, head) });
  const broken = findings.filter(({ breaches }) => breaches > 0);
  for (const { invariant, says, breaches, notes = [] } of broken) {
    console.log([`${invariant}  BROKEN  ${breaches}  ${says}`, ...notes].join("\n  "));
  }
  console.log(`Books ${broken.length === 0 ? "verified" : "NOT sound"}, in ${seconds(Date.now() - loadedAtMs)} s.`);
  return broken.length === 0 ? 0 : 1;
});

/** What was kept of the books up to the backup; that later ones are of other books is kept with them. */
function headsAsOf(env: Env, secrets: Secrets | null, { createdAt }: BackupHead): KeptHeads {
  const folder = headsFolderOf(env.DATA_FOLDER);
  const kept = secrets ? readKeptHeads(folder, secrets) : { heads: [], faults: [] };
  const later = kept.heads.filter(({ before }) => before > createdAt).length;
  if (!secrets || later === 0) return kept;
  keepRestore(folder, secrets, new Date(createdAt));
  console.log(`${later} heads kept in ${folder} are of books after ${createdAt}: they count no more.`);
  return readKeptHeads(folder, secrets);
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
