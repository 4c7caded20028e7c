/**
 * Tells which processes of this data folder have died, so that what they had under way is settled at once, and not when
 * their leases have run out. Each process leaves a mark while it lives. A mark counts as a dead process's only where that
 * is certain: what a living one holds must not be settled by others. All else is left to the leases.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { z } from "zod";
import { makeDataFolder } from "../boot/data-folder.ts";

const markSchema = z.object({
  pid: z.number().int().positive(),
  /** In the clock of `boot`; null where the system does not say. */
  startedAt: z.string().nullable(),
  boot: z.string().nullable(),
  /** The process ids of another name space are of no meaning here. */
  pidNamespace: z.string().nullable(),
  container: z.string().nullable(),
  host: z.string(),
});
export type ProcessMark = z.infer<typeof markSchema>;

const folderOf = (dataFolder: string) => path.join(dataFolder, "processes");
const ending = ".json";

/** Leaves the mark of this process, as the instance; returns what takes it away. */
export function markProcess(dataFolder: string, instanceId: string): () => void {
  const folder = folderOf(dataFolder);
  makeDataFolder(dataFolder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, instanceId + ending);
  writeFileSync(file, JSON.stringify(ownMark()), { mode: 0o600 });
  return () => rmSync(file, { force: true });
}

/** Returns the instances whose processes have certainly died. */
export function findDeadProcesses(dataFolder: string, own: ProcessMark = ownMark()): string[] {
  return namesIn(folderOf(dataFolder)).filter((id) => {
    const mark = readMark(path.join(folderOf(dataFolder), id + ending));
    return mark !== null && isDead(mark, own);
  });
}

/** To be called once a dead process's lease has ended: it need not be found again. */
export function forgetProcess(dataFolder: string, instanceId: string): void {
  rmSync(path.join(folderOf(dataFolder), instanceId + ending), { force: true });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(ending))
      .map((name) => name.slice(0, -ending.length));
  } catch {
    return [];
  }
}

function readMark(file: string): ProcessMark | null {
  try {
    return markSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return null;
  }
}

export function isDead(mark: ProcessMark, own: ProcessMark): boolean {
  // A container runs once at a time, and its main process ends all others with it.
  if (mark.container !== null && mark.container === own.container) {
    if (mark.boot !== own.boot || mark.pidNamespace !== own.pidNamespace) return true;
  } else if (mark.container !== null || own.container !== null) {
    return false;
  }
  const isSamePlace = mark.host === own.host && mark.boot === own.boot && mark.pidNamespace === own.pidNamespace;
  return isSamePlace && !isRunning(mark);
}

/** A process id is given out again: the moment of the start tells whether it is the same process. */
function isRunning({ pid, startedAt }: ProcessMark): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const found = startOf(pid);
  return found === null || startedAt === null || found === startedAt;
}

export function ownMark(): ProcessMark {
  return {
    pid: process.pid,
    startedAt: startOf(process.pid),
    boot: read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidNamespace: read(() => readlinkSync("/proc/self/ns/pid")),
    container: read(containerId),
    host: hostname(),
  };
}

/** The 22nd field of /proc/PID/stat; the second one, the program's name, may hold spaces and brackets. */
const startOf = (pid: number): string | null =>
  read(() => {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    // Ended, although nobody has asked for its exit code.
    if (state === "Z" || state === "X") return "ended";
    return fields[18] ?? null;
  });

/** Docker's and Podman's; the files that they put over /etc/hostname lie in a folder of this name. */
function containerId(): string | null {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  return /\/(?:overlay-)?containers\/([\da-f]{64})\//.exec(mounts)?.[1] ?? null;
}

function read(get: () => string | null): string | null {
  try {
    return get();
  } catch {
    return null;
  }
}
