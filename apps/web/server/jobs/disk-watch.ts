/** Keeps what is written beside the database within its budget, and says in time when the disk fills up. */
import { copyFile, readdir, stat, statfs, truncate } from "node:fs/promises";
import path from "node:path";
import type { Database } from "@codex-gateway/db";
import { raiseEvent, type DiskUse } from "@codex-gateway/domain";
import type { Log } from "@codex-gateway/gateway";
import type { JobServices } from "./job-services.ts";
import type { Job } from "./schedule.ts";

/** Of the embedded PostgreSQL's log; one as large is kept beside it. */
const maxDatabaseLogBytes = 20_000_000;
/** Below that somebody has to do something about it. */
const lowFreeMegabytes = 1_000;
const quietMs = 6 * 60 * 60_000;
const bytesPerMegabyte = 1_000_000;

export const diskWatch = (services: JobServices): Job => ({
  name: "disk_watch",
  everyMs: 60_000,
  run: createDiskWatch(services.db, services),
});

type DiskWatchParts = { dataFolder: string; log: Log; lowMegabytes?: number };

/** Returns what looks once; it rejects where the database does not take the alert. */
export function createDiskWatch(db: Pick<Database, "pool">, parts: DiskWatchParts): () => Promise<void> {
  const { dataFolder, log, lowMegabytes = lowFreeMegabytes } = parts;
  let isLow = false;
  return async () => {
    await keepWithin(path.join(dataFolder, "postgres.log"), maxDatabaseLogBytes);
    const freeMegabytes = await readFree(dataFolder);
    const wasLow = isLow;
    isLow = freeMegabytes !== null && freeMegabytes < lowMegabytes;
    if (!isLow || freeMegabytes === null) return;
    const use: DiskUse = { folder: dataFolder, freeMegabytes, usedMegabytes: await readUse(dataFolder) };
    if (!wasLow) log("warn", "disk_low", use);
    await raiseEvent(db, "disk_low", use, { quietMs });
  };
}

/** Its writer goes on with it: it is copied, and then emptied. */
async function keepWithin(file: string, maxBytes: number): Promise<void> {
  const size = await sizeOf(file);
  if (size <= maxBytes) return;
  // On a full disk the old lines are lost instead.
  await copyFile(file, `${file}.1`).catch(() => undefined);
  await truncate(file).catch(() => undefined);
}

async function readFree(folder: string): Promise<number | null> {
  const disk = await statfs(folder).catch(() => null);
  return disk && megabytes(disk.bavail * disk.bsize);
}

/** What an operator can do something about. */
async function readUse(dataFolder: string): Promise<Record<string, number>> {
  const [backups, spool, logs] = await Promise.all([
    sizeIn(path.join(dataFolder, "backups"), () => true),
    sizeIn(path.join(dataFolder, "spool"), () => true),
    sizeIn(dataFolder, (name) => name.includes(".log")),
  ]);
  return { backups: megabytes(backups), spool: megabytes(spool), logs: megabytes(logs) };
}

async function sizeIn(folder: string, isCounted: (name: string) => boolean): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.filter(isCounted).map((name) => sizeOf(path.join(folder, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    (found) => (found.isFile() ? found.size : 0),
    () => 0,
  );

const megabytes = (bytes: number): number => Math.floor(bytes / bytesPerMegabyte);
