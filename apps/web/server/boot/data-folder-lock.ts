/** One gateway per data folder: a second one would stop the first one's database. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { StartError } from "@codex-gateway/db";
import { makeDataFolder } from "./data-folder.ts";

/**
 * Takes the folder for this process; a lock whose process is gone is taken over.
 * @returns what gives the folder back
 * @throws StartError where another process has it
 */
export function lockDataFolder(folder: string): () => void {
  makeDataFolder(folder);
  const file = path.join(folder, "gateway.pid");
  if (existsSync(file)) {
    const holder = Number(readFileSync(file, "utf8"));
    if (isGateway(holder)) throw new StartError(`Another gateway (process ${holder}) already runs on ${folder}.`);
    rmSync(file);
  }
  try {
    writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 });
  } catch {
    throw new StartError(`Another gateway is just starting on ${folder}.`);
  }
  return () => rmSync(file, { force: true });
}

/** The gateway, a command beside it, and the development server. */
const ownPrograms = /dist\/|demo\/src\/dev\//;

/** A process id is given out again: on Linux the command line tells whether it still is the gateway, or a command beside it. */
function isGateway(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return process.platform !== "linux" || ownPrograms.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return false;
  }
}
