// For deploy-auto.sh: starts the built gateway in a session of its own, with its output in the data folder's gateway.log,
// and leaves its process id in background.pid.
import { spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const rootFolder = fileURLToPath(new URL("../..", import.meta.url));
const dataFolder = process.argv[2];
const log = openSync(path.join(dataFolder, "gateway.log"), "a", 0o600);
const child = spawn(process.execPath, ["--enable-source-maps", path.join(rootFolder, "apps/web/dist/main.js")], {
  cwd: rootFolder,
  env: { NODE_ENV: "production", ...process.env },
  detached: true,
  stdio: ["ignore", log, log],
});
child.unref();
writeFileSync(path.join(dataFolder, "background.pid"), `${child.pid}\n`);
