/** Checks the books of the gateway's database, prints each figure, and exits 1 on any breach. */
import { openPrice } from "@codex-gateway/domain";
import { verifyLedger } from "@codex-gateway/ledger";
import { runCommand } from "./command.ts";
import { findDatabaseOf } from "../boot/database-of.ts";
import { headsFolderOf, readKeptHeads } from "../jobs/kept-heads.ts";
import { existingSecrets } from "../boot/secret-key.ts";

await runCommand(async ({ env, undo }) => {
  const { database } = await findDatabaseOf(env, undo);
  const secrets = existingSecrets(env);
  const folder = headsFolderOf(env.DATA_FOLDER);
  const kept = secrets ? readKeptHeads(folder, secrets) : { heads: [], faults: [] };
  const findings = await verifyLedger(database, openPrice, { readHeads: () => kept });
  for (const { invariant, says, checked, breaches, notes = [] } of findings) {
    const word = breaches === 0 ? "ok    " : "BROKEN";
    const figures = `${String(breaches).padStart(6)} breaches in ${String(checked).padEnd(9)}`;
    console.log(`${invariant.padEnd(4)}${word}${figures} ${says}`);
    for (const note of notes) console.log(`     ${note}`);
  }
  const isSound = findings.every(({ breaches }) => breaches === 0);
  const newest = kept.heads.at(-1);
  if (newest) console.log(`Heads kept in ${folder}: ${kept.heads.length}, the newest of ${newest.before}.`);
  else console.log(`No head of the books is kept in ${folder}: nothing outside the database bears them out yet.`);
  if (!isSound) console.log('What to do: "When verify finds something" in docs/operations.md.');
  console.log(isSound ? "The books are sound." : "The books are NOT sound.");
  return isSound ? 0 : 1;
});
