// For deploy-auto.sh, in the background: watches over the gateway, and keeps its log within bounds.
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gatewayProgram, nodeFlags, rootFolder } from "../pnpm.mjs";
import { supervise } from "../supervise.mjs";
import { keepLogWithin } from "./rotate-log.mjs";

process.umask(0o077);
const dataFolder = process.argv[2];
const inData = (name) => path.join(dataFolder, name);
const rotating = setInterval(() => keepLogWithin(inData("gateway.log")), 10_000);
const exitCode = await supervise(process.execPath, [...nodeFlags, path.join(rootFolder, gatewayProgram)], {
  cwd: rootFolder,
  // Its output goes to the log by itself, and it lives on where we are killed.
  detached: true,
  onStart: (pid) => writeFileSync(inData("background.pid"), `${pid}\n`),
});
clearInterval(rotating);
for (const name of ["background.pid", "background.watcher.pid"]) rmSync(inData(name), { force: true });
process.exit(exitCode);
