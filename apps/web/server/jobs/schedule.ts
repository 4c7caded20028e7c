/** Runs what a process does beside its requests: each job by its own clock, and never twice at a time. */
import type { Log } from "@codex-gateway/gateway";

/** One error of a job is logged as `<name>_failed`; the job goes on with its next turn. */
export type Job = {
  name: string;
  everyMs: number;
  /** At the start as well, and not only when its time has come for the first time. */
  isDueAtStart?: boolean;
  /** `signal` aborts when the process stops. */
  run: (signal: AbortSignal) => Promise<unknown>;
};

export type Schedule = {
  /** Resolves when no job runs any more, or after `patienceMs`: a database that is gone must not hold up a stop. */
  stop(): Promise<void>;
};

const defaultPatienceMs = 5_000;

export function schedule(jobs: readonly Job[], log: Log, { patienceMs = defaultPatienceMs } = {}): Schedule {
  const stopping = new AbortController();
  const { signal } = stopping;
  const started = jobs.map((job) => every(job, { signal, log }));
  return {
    stop: async () => {
      stopping.abort();
      let patience: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (patience = setTimeout(resolve, patienceMs)));
      await Promise.race([Promise.all(started.map((each) => each.stop())), late]);
      clearTimeout(patience);
    },
  };
}

function every(
  { name, everyMs, isDueAtStart = false, run }: Job,
  { signal, log }: { signal: AbortSignal; log: Log },
): { stop(): Promise<void> } {
  let running: Promise<void> | null = null;
  const turn = () => {
    running ??= runOnce().finally(() => (running = null));
  };
  async function runOnce(): Promise<void> {
    try {
      await run(signal);
    } catch (error) {
      if (!signal.aborted) log("error", `${name}_failed`, { error: (error as Error).message });
    }
  }
  const timer = setInterval(turn, everyMs);
  if (isDueAtStart) turn();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
