/**
 * A process's own file of lines. What is appended outlives the process at once, and a power failure once it is synced.
 */
import { closeSync, fstatSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";

export type Journal = {
  /** @throws Error where the disk does not take all of it; a part may stand then */
  append(lines: readonly string[]): void;
  sync(): void;
  /** Leaves these lines and no other ones. @throws Error; all is as it was then */
  replace(lines: readonly string[], options: { isSynced: boolean }): void;
  remove(): void;
  sizeBytes(): number;
  /** Whether somebody else has removed the file: what is appended would be lost with the process. */
  isGone(): boolean;
};

const onlyOurs = 0o600;

/** The file is made when there is something to write. */
export function openJournal(file: string): Journal {
  let descriptor: number | null = null;
  let sizeBytes = 0;

  function open(): number {
    if (descriptor !== null) return descriptor;
    const opened = openSync(file, "a", onlyOurs);
    sizeBytes = fstatSync(opened).size;
    return (descriptor = opened);
  }

  function close(): void {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
    sizeBytes = 0;
  }

  return {
    append: (lines) => {
      const opened = open();
      sizeBytes += write(opened, lines);
    },
    sync: () => fsyncSync(open()),
    replace: (lines, { isSynced }) => {
      const next = nextOf(file);
      rmSync(next, { force: true });
      const opened = openSync(next, "a", onlyOurs);
      let writtenBytes: number;
      try {
        writtenBytes = write(opened, lines);
        if (isSynced) fsyncSync(opened);
        renameSync(next, file);
      } catch (error) {
        closeSync(opened);
        throw error;
      }
      close();
      descriptor = opened;
      sizeBytes = writtenBytes;
    },
    remove: () => {
      if (descriptor === null) return;
      close();
      removeJournal(file);
    },
    sizeBytes: () => sizeBytes,
    isGone: () => descriptor !== null && fstatSync(descriptor).nlink === 0,
  };
}

/** With what a replacement that a crash cut off has left beside it. */
export function removeJournal(file: string): void {
  rmSync(file, { force: true });
  rmSync(nextOf(file), { force: true });
}

const nextOf = (file: string): string => `${file}.next`;

/**
 * A line begins and ends with its break, so that one before it that was cut off, by a full disk or a death, does not take it
 * along, and neither does what a power failure leaves behind it. Answers with how many bytes were written.
 */
function write(descriptor: number, lines: readonly string[]): number {
  if (lines.length === 0) return 0;
  const bytes = Buffer.from(`\n${lines.join("\n")}\n`);
  if (writeSync(descriptor, bytes) < bytes.length) throw new Error("The disk is full.");
  return bytes.length;
}
