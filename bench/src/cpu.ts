/** CPU time of a process and its children, from /proc; null where there is no /proc. */
import { readdirSync, readFileSync } from "node:fs";

const msPerTick = 10;

type Stat = { pid: number; parent: number; cpuMs: number };

function statOf(pid: number): Stat | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { pid, parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * msPerTick };
  } catch {
    return null;
  }
}

/** CPU in ms of the process itself and, apart, of everything that it started (its PostgreSQL). */
export function cpuOf(pid: number): { ownMs: number; childrenMs: number } | null {
  if (process.platform !== "linux") return null;
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (statOf(Number(name)) ?? []) : []));
  const own = all.find((stat) => stat.pid === pid);
  if (!own) return null;
  const family = new Set([pid]);
  for (let grew = true; grew;) {
    const more = all.filter((stat) => family.has(stat.parent) && !family.has(stat.pid));
    for (const { pid: child } of more) family.add(child);
    grew = more.length > 0;
  }
  const childrenMs = all
    .filter((stat) => stat.pid !== pid && family.has(stat.pid))
    .reduce((sum, each) => sum + each.cpuMs, 0);
  return { ownMs: own.cpuMs, childrenMs };
}
