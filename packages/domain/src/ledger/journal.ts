/**
 * A process's own file of lines. What is appended outlives the process at once, and a machine that loses its power once it
 * is synced.
 */
import { closeSync, fstatSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";

export type Journal = {
  /** @throws Error where the disk does not take all of it; then a part of a line may stand */
  append(lines: string): void;
  sync(): void;
  /** Leaves these lines and no other ones, durably. @throws Error; then all is as it was */
  replace(lines: string): void;
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
  /** Half a line would take the next one with it. */
  let isTorn = false;

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
      const wasTorn = isTorn;
      isTorn = true;
      sizeBytes += writeWhole(opened, wasTorn ? `\n${lines}` : lines);
      isTorn = false;
    },
    sync: () => fsyncSync(open()),
    replace: (lines) => {
      const next = nextOf(file);
      rmSync(next, { force: true });
      const opened = openSync(next, "a", onlyOurs);
      try {
        writeWhole(opened, lines);
        fsyncSync(opened);
        renameSync(next, file);
      } catch (error) {
        closeSync(opened);
        throw error;
      }
      close();
      descriptor = opened;
      sizeBytes = Buffer.byteLength(lines);
      isTorn = false;
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

/** Answers with how many bytes that were. */
function writeWhole(descriptor: number, lines: string): number {
  const bytes = Buffer.byteLength(lines);
  if (writeSync(descriptor, lines) < bytes) throw new Error("The disk is full.");
  return bytes;
}
