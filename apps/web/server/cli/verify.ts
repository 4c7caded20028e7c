/** Checks the books of the gateway's database, prints each figure, and exits 1 on any breach. */
import { openPrice } from "@codex-gateway/domain";
import { verifyLedger } from "@codex-gateway/ledger";
import { runCommand } from "./command.ts";
import { findDatabaseOf } from "../boot/database-of.ts";

await runCommand(async ({ env, undo }) => {
  const { database } = await findDatabaseOf(env, undo);
  const findings = await verifyLedger(database, openPrice);
  for (const { invariant, says, checked, breaches } of findings) {
    const word = breaches === 0 ? "ok    " : "BROKEN";
    const figures = `${String(breaches).padStart(6)} breaches in ${String(checked).padEnd(9)}`;
    console.log(`${invariant.padEnd(4)}${word}${figures} ${says}`);
  }
  const isSound = findings.every(({ breaches }) => breaches === 0);
  console.log(isSound ? "The books are sound." : "The books are NOT sound.");
  return isSound ? 0 : 1;
});
