/** What a process takes of its machine, as /proc says it. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const sampleEveryMs = 250;

/** In bytes. */
const residentBytesOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1_024;

/** Connections, open or half closed, and listeners. */
function openSocketsOf(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.startsWith("socket:")).length;
}

/** Of the main thread, in nanoseconds: on a core, and waiting for one that other processes have. */
function schedulingOf(pid: number): { ranNs: number; waitedNs: number } {
  const [ranNs = 0, waitedNs = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ").map(Number);
  return { ranNs, waitedNs };
}

export type Watched = {
  maxResidentBytes: number;
  maxSockets: number;
  /** What its main thread took of a core. */
  coreShare: number;
  /** Of the time in which it had something to do, how much it waited for a core: the machine's doing. */
  starvedShare: number;
};

/** Looks four times a second; `stop` says the most that was seen, and fails nobody where the process has ended. */
export function watchProcess(pid: number): { stop(): Watched } {
  const most = { maxResidentBytes: 0, maxSockets: 0 };
  const startedAtMs = performance.now();
  const before = schedulingOf(pid);
  let now = before;
  const look = () => {
    try {
      most.maxResidentBytes = Math.max(most.maxResidentBytes, residentBytesOf(pid));
      most.maxSockets = Math.max(most.maxSockets, openSocketsOf(pid));
      now = schedulingOf(pid);
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
      const [ranNs, waitedNs] = [now.ranNs - before.ranNs, now.waitedNs - before.waitedNs];
      const tookNs = (performance.now() - startedAtMs) * 1_000_000;
      return { ...most, coreShare: ranNs / tookNs, starvedShare: waitedNs / Math.max(ranNs + waitedNs, 1) };
    },
  };
}
