/**
 * Writes lines to a descriptor so that nobody waits for them. A reader that stands still, a pipe that is gone or a full disk
 * costs lines: the waiting ones have a budget, and how many were lost is told once it works again. (SonicBoom, which pino
 * brings, tries for ever to write its last lines to a full disk, so that the process could not end.)
 */
import { write, writeSync } from "node:fs";

export type LogDestination = {
  write(line: string): void;
  /** Before the process ends: writes what waits, where it can be written at once. */
  flush(): void;
};

type LogDestinationOptions = {
  maxWaitingBytes?: number;
  retryMs?: number;
  /** Called once lines can be written again. */
  onRecovered: (lostLines: number) => void;
};

/** Nobody is there who could read it, and never will be. */
const isGone = (code: string | undefined) => code === "EPIPE" || code === "EBADF";
const mayTakeMs = 20;
const stuckMs = 500;

export function createLogDestination(fd: number, options: LogDestinationOptions): LogDestination {
  const { maxWaitingBytes = 4 * 1024 * 1024, retryMs = 1_000, onRecovered } = options;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let underWay: Buffer | null = null;
  let underWaySinceMs = 0;
  let lostLines = 0;
  let hasEnded = false;

  function next(): void {
    if (underWay || waiting.length === 0 || hasEnded) return;
    underWay = Buffer.from(waiting.join(""));
    waiting = [];
    waitingBytes = 0;
    underWaySinceMs = Date.now();
    send();
  }

  function send(): void {
    if (!underWay) return;
    write(fd, underWay, (error, writtenBytes) => {
      if (error) {
        if (isGone(error.code)) end();
        else setTimeout(send, retryMs).unref();
        return;
      }
      if (!underWay) return;
      underWay = writtenBytes < underWay.length ? underWay.subarray(writtenBytes) : null;
      if (underWay) send();
      else goOn();
    });
  }

  function goOn(): void {
    if (lostLines > 0 && waiting.length === 0) {
      const lines = lostLines;
      lostLines = 0;
      onRecovered(lines);
    }
    next();
  }

  function end(): void {
    hasEnded = true;
    waiting = [];
    underWay = null;
  }

  return {
    write: (line) => {
      if (hasEnded) return;
      if (waitingBytes + line.length > maxWaitingBytes) {
        lostLines++;
        return;
      }
      waiting.push(line);
      waitingBytes += line.length;
      next();
    },
    flush: () => {
      // Whoever has not taken the lines before would not take these, and this thread would wait.
      if (hasEnded || (underWay && Date.now() - underWaySinceMs > stuckMs)) return;
      // What is under way is another thread's to write.
      if (underWay) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, mayTakeMs);
      try {
        if (waiting.length > 0) writeSync(fd, waiting.join(""));
        waiting = [];
      } catch {
        // There is nowhere else to say it.
      }
    },
  };
}
