/** When a call to an upstream must be over. One timer looks after all of them: a timer each would cost more than the look. */
import type { Dispatcher } from "undici";

export type Deadline = { readonly controller: Dispatcher.DispatchController; readonly atMs: number };

export type Deadlines = {
  /** Aborts with a TotalTimeoutError once `afterMs` are over, and at most an eighth of it, or a second, later. */
  set(controller: Dispatcher.DispatchController, afterMs: number): Deadline;
  lift(deadline: Deadline): void;
  close(): void;
};

export class TotalTimeoutError extends Error {
  override readonly name = "TotalTimeoutError";
}

const maxLookMs = 1_000;

export function createDeadlines(): Deadlines {
  const open = new Set<Deadline>();
  let timer: NodeJS.Timeout | undefined;
  let lookEveryMs = Infinity;

  function look(): void {
    const nowMs = performance.now();
    for (const deadline of open) {
      if (deadline.atMs > nowMs) continue;
      open.delete(deadline);
      deadline.controller.abort(new TotalTimeoutError());
    }
  }

  function lookOften(afterMs: number): void {
    const everyMs = Math.min(maxLookMs, afterMs / 8);
    if (everyMs >= lookEveryMs) return;
    lookEveryMs = everyMs;
    clearInterval(timer);
    timer = setInterval(look, everyMs).unref();
  }

  return {
    set: (controller, afterMs) => {
      lookOften(afterMs);
      const deadline = { controller, atMs: performance.now() + afterMs };
      open.add(deadline);
      return deadline;
    },
    lift: (deadline) => open.delete(deadline),
    close: () => clearInterval(timer),
  };
}
