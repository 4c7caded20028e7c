// For deploy-auto.sh: starts whoever watches over the built gateway, in a session of its own, with all output in the data
// folder's gateway.log. Its process id is in background.watcher.pid, the gateway's own in background.pid.
import { spawn } from "node:child_process";
import { existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

process.umask(0o077);
const rootFolder = fileURLToPath(new URL("../..", import.meta.url));
const dataFolder = process.argv[2];
const inData = (name) => path.join(dataFolder, name);
rmSync(inData("background.pid"), { force: true });
const log = openSync(inData("gateway.log"), "a", 0o600);
const watcher = spawn(process.execPath, [path.join(rootFolder, "scripts/deploy/watch.mjs"), dataFolder], {
  cwd: rootFolder,
  env: { NODE_ENV: "production", ...process.env },
  detached: true,
  stdio: ["ignore", log, log],
});
writeFileSync(inData("background.watcher.pid"), `${watcher.pid}\n`);
for (let n = 0; n < 500 && !existsSync(inData("background.pid")) && watcher.exitCode === null; n++) await sleep(10);
watcher.unref();
