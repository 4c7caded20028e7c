/** Keeps the connections of both ports within what the system lets this process open: each of them is an open file. */
import { readFileSync } from "node:fs";
import type { Log } from "@codex-gateway/gateway";
import { defaultConnectionLimits, type ConnectionLimits } from "../http/connections.ts";
import type { Env } from "./env.ts";

/** For the database, the logs, the files of the pages, and what else is no client's. */
const ownFiles = 512;
/** A call has its client's connection and one to an upstream. */
const filesPerCall = 2;

/** Returns how many files this process may have open; null where the system does not say. */
function readOpenFileLimit(): number | null {
  try {
    const [, soft = ""] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft) || null;
  } catch {
    return null;
  }
}

/** Returns how many files are needed for `ports` ports with so many connections each. */
const neededFiles = (ports: number, maxConnections: number): number => ownFiles + ports * filesPerCall * maxConnections;

/** Returns the limits of a port's connections under which `openFiles` are enough for `ports` ports. */
export function limitsWithin(openFiles: number | null, ports: number): ConnectionLimits {
  const { maxConnections, maxPerAddress } = defaultConnectionLimits;
  if (openFiles === null || openFiles >= neededFiles(ports, maxConnections)) return defaultConnectionLimits;
  const affordable = Math.max(16, Math.floor((openFiles - ownFiles) / (ports * filesPerCall)));
  return { maxConnections: affordable, maxPerAddress: Math.min(maxPerAddress, affordable) };
}

const portsOf = (role: Env["ROLE"]): number => (role === "all" ? 2 : 1);

/** Returns the limits for each of the role's ports. */
export const connectionLimitsOf = (role: Env["ROLE"]): ConnectionLimits =>
  limitsWithin(readOpenFileLimit(), portsOf(role));

/** Warns where the system allows less than the usual limits need. */
export function warnOfOpenFiles(role: Env["ROLE"], log: Log): void {
  const { maxConnections } = connectionLimitsOf(role);
  if (maxConnections === defaultConnectionLimits.maxConnections) return;
  const needed = neededFiles(portsOf(role), defaultConnectionLimits.maxConnections);
  log("warn", "open_files_low", { allowed: readOpenFileLimit(), needed, maxConnectionsPerPort: maxConnections });
}
