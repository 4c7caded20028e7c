/**
 * Stands behind everything: an error that no code has caught is logged, counted and told, and the process goes on serving
 * the other calls. What belongs to the call that broke is ended and settled by the deadlines of calls. Where the process
 * itself is in doubt, it ends in order, with a code by which it is started again.
 */
import type { Log } from "@codex-gateway/gateway";
import { describeFault, type FaultDescription } from "./describe-fault.ts";

export type CaughtFault = FaultDescription & { origin: "uncaughtException" | "unhandledRejection" };

export type LastGuard = {
  catch(thrown: unknown, origin: CaughtFault["origin"]): void;
  /** Is told of each fault from now on, and of those before. */
  onFault(tell: (fault: CaughtFault) => void): void;
};

type LastGuardParts = {
  log: Log;
  /** Ends the process; called once at most. */
  end: (reason: string) => void;
  nowMs?: () => number;
};

/** So many within that time mean that something is broken that all calls need. */
const maxFaults = 20;
const withinMs = 10_000;
/** For whoever is told later, at the start. */
const maxKept = 20;

/** Errors after which nothing that the process does is certain. */
const fatalCodes = new Set(["ENOMEM", "ERR_MEMORY_ALLOCATION_FAILED", "ERR_INTERNAL_ASSERTION"]);
const outOfMemory = /allocation failed|out of memory/i;

export function createLastGuard({ log, end, nowMs = Date.now }: LastGuardParts): LastGuard {
  let recentMs: number[] = [];
  let isEnding = false;
  let kept: CaughtFault[] = [];
  let tell: ((fault: CaughtFault) => void) | null = null;

  function endOnce(reason: string): void {
    if (isEnding) return;
    isEnding = true;
    end(reason);
  }

  return {
    catch: (thrown, origin) => {
      const fault = { ...describeFault(thrown), origin };
      const atMs = nowMs();
      recentMs = [...recentMs.filter((ms) => atMs - ms < withinMs), atMs];
      // Beyond these the lines would say the same, and their number is in the metrics.
      if (recentMs.length <= maxFaults) log("error", "uncaught_error", fault);
      if (tell) tell(fault);
      else if (kept.length < maxKept) kept.push(fault);
      if (isFatal(thrown, fault)) endOnce("fatal_error");
      else if (recentMs.length >= maxFaults) endOnce("too_many_errors");
    },
    onFault: (listener) => {
      tell = listener;
      for (const fault of kept) listener(fault);
      kept = [];
    },
  };
}

function isFatal(thrown: unknown, { code }: CaughtFault): boolean {
  if (code !== null && fatalCodes.has(code)) return true;
  return thrown instanceof RangeError && outOfMemory.test(thrown.message);
}

/** Puts the guard behind the process. Writing to a terminal or a pipe that is gone is no fault of anything. */
export function guardProcess(guard: LastGuard): void {
  process.on("uncaughtException", (error) => guard.catch(error, "uncaughtException"));
  process.on("unhandledRejection", (reason) => guard.catch(reason, "unhandledRejection"));
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
