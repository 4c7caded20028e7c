/** What a process takes of its machine, as /proc says it. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const sampleEveryMs = 250;

/** In bytes. */
export const residentBytesOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1_024;

/** Connections, open or half closed, and listeners. */
export function openSocketsOf(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.startsWith("socket:")).length;
}

export type Watched = { maxResidentBytes: number; maxSockets: number };

/** Looks four times a second; `stop` says the most that was seen, and fails nobody where the process has ended. */
export function watchProcess(pid: number): { stop(): Watched } {
  const most: Watched = { maxResidentBytes: 0, maxSockets: 0 };
  const look = () => {
    try {
      most.maxResidentBytes = Math.max(most.maxResidentBytes, residentBytesOf(pid));
      most.maxSockets = Math.max(most.maxSockets, openSocketsOf(pid));
    } catch {
      // It has ended: whoever watches it asks for that elsewhere.
    }
  };
  look();
  const timer = setInterval(look, sampleEveryMs);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return most;
    },
  };
}
