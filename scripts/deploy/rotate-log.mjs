// Keeps a log within bounds while somebody writes to it: what is full is copied aside, and the file itself emptied, since
// the writer goes on with it. The lines of the moment between the two are lost.
import { chmodSync, copyFileSync, existsSync, renameSync, statSync, truncateSync } from "node:fs";

const maxBytes = 20_000_000;
const keptFiles = 4;

/** Moves `file` to `file.1`, `file.1` to `file.2` and so on where it is full; a disk that is full loses the old lines instead. */
export function keepLogWithin(file, { maxFileBytes = maxBytes, kept = keptFiles } = {}) {
  try {
    if (statSync(file).size <= maxFileBytes) return;
    for (let n = kept - 1; n >= 1; n--) {
      if (existsSync(`${file}.${n}`)) renameSync(`${file}.${n}`, `${file}.${n + 1}`);
    }
    copyFileSync(file, `${file}.1`);
    chmodSync(`${file}.1`, 0o600);
  } catch {
    // What cannot be kept must not fill the disk either.
  }
  try {
    if (statSync(file).size > maxFileBytes) truncateSync(file);
  } catch {
    // There is none.
  }
}
