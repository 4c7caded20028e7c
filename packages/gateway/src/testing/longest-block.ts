/**
 * For tests: how long the longest turn of the event loop was while something ran. Where the system tells a thread's own
 * time, that is what counts: on a machine that others use too, most of a long turn is theirs.
 */
import { readFileSync } from "node:fs";

const everyMs = 2;

/** In ms. The smaller one of two runs, because garbage of what ran before is collected whenever it is. */
export async function longestBlockMs(run: () => Promise<unknown>): Promise<number> {
  const [first, second] = [await measured(run), await measured(run)];
  return Math.min(first, second);
}

async function measured(run: () => Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let lastMs = threadMs();
  const look = () => {
    const nowMs = threadMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  };
  const timer = setInterval(look, everyMs);
  await run();
  // A block at the very end is seen by the next look.
  await new Promise((resolve) => setTimeout(resolve, 5 * everyMs));
  clearInterval(timer);
  return longestMs;
}

/** What this thread has had of a processor (https://docs.kernel.org/scheduler/sched-stats.html); elsewhere, the time. */
function threadMs(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]) / 1e6;
  } catch {
    return performance.now();
  }
}
