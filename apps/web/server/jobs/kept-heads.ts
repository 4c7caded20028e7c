/**
 * The heads of the books, kept as lines of files that are only added to: one file a year, under the data folder, beside the
 * backups. Each line is signed by a key that comes from the secret key and names the signature before it, so that whoever
 * has the database alone can forge none, and a line taken out leaves a gap.
 *
 * A line is about 800 bytes: a day's and a backup's, one an hour at most, are 0.3 to 7 MB a year.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import type { Secrets } from "@codex-gateway/domain";
import type { BooksHead, KeptHeads } from "@codex-gateway/ledger";

/** `since`: heads that count later than this, and were kept before the line, are no longer of these books. */
type Said = { kind: "head"; head: BooksHead } | { kind: "restored" | "clock_set_back"; since: string };
type Line = Said & { at: string; keyId: string; previous: string; signature: string };

export const headsFolderOf = (dataFolder: string): string => path.join(dataFolder, "heads");

type Read = KeptHeads & { last: Line | null; isCutOff: boolean };

const sign = (line: Omit<Line, "signature">, { headKey }: Secrets): string =>
  createHmac("sha256", headKey).update(JSON.stringify(line)).digest("hex");

const filesOf = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /^\d{4}\.jsonl$/.test(name))
        .sort()
    : [];

/** Reads what is kept. A fault is one sentence; a folder without heads has none. */
export function readKeptHeads(folder: string, secrets: Secrets): KeptHeads {
  const { heads, faults } = read(folder, secrets);
  return { heads, faults };
}

function read(folder: string, secrets: Secrets): Read {
  const result: Read = { heads: [], faults: [], last: null, isCutOff: false };
  for (const name of filesOf(folder)) {
    const file = path.join(folder, name);
    let lines: string[];
    try {
      const text = readFileSync(file, "utf8");
      result.isCutOff = text !== "" && !text.endsWith("\n");
      lines = text.split("\n");
    } catch (error) {
      result.faults.push(`The kept heads in ${file} cannot be read: ${(error as Error).message}.`);
      continue;
    }
    lines.forEach((text, at) => {
      if (text !== "") take(result, text, { secrets, where: `line ${at + 1} of ${file}` });
    });
  }
  return result;
}

function take(result: Read, text: string, { secrets, where }: { secrets: Secrets; where: string }): void {
  const line = parse(text);
  // What was being written when the power failed; a line that was taken out is missed by the next one.
  if (!line) return;
  const { signature, ...said } = line;
  const signer = [secrets, secrets.previous].find((known) => known?.id === line.keyId);
  // Nobody has that secret key any more: its lines prove nothing.
  if (!signer) {
    result.last = line;
    return;
  }
  if (!isSame(signature, sign(said, signer))) {
    result.faults.push(`A kept head was changed: ${where} does not have the signature of this gateway's secret key.`);
    return;
  }
  if (line.previous !== (result.last?.signature ?? "")) result.faults.push(`Kept heads are missing before ${where}.`);
  result.last = line;
  if (line.kind === "head") result.heads.push(line.head);
  else result.heads = result.heads.filter(({ before }) => before <= line.since);
}

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

function parse(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Partial<Line>;
    return typeof line.signature === "string" && typeof line.kind === "string" ? (line as Line) : null;
  } catch {
    return null;
  }
}

/** Adds a line, synced; one process at a time. @throws Error of the file system */
function append(folder: string, secrets: Secrets, said: Said): void {
  const { last, isCutOff } = read(folder, secrets);
  const at = new Date().toISOString();
  const line = { ...said, at, keyId: secrets.id, previous: last?.signature ?? "" };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = openSync(path.join(folder, `${at.slice(0, 4)}.jsonl`), "a", 0o600);
  try {
    writeSync(file, `${isCutOff ? "\n" : ""}${JSON.stringify({ ...line, signature: sign(line, secrets) })}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export const keepHead = (folder: string, secrets: Secrets, head: BooksHead): void =>
  append(folder, secrets, { kind: "head", head });

/** Says that these are the books of a backup of that time: what was kept of later ones is of other books. */
export const keepRestore = (folder: string, secrets: Secrets, backupOf: Date): void =>
  append(folder, secrets, { kind: "restored", since: backupOf.toISOString() });

/** Says that the database's clock went back to that time: what is written now would count before later heads. */
export const keepClock = (folder: string, secrets: Secrets, nowIs: Date): void =>
  append(folder, secrets, { kind: "clock_set_back", since: nowIs.toISOString() });
