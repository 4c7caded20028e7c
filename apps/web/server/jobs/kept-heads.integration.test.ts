import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { deriveSecrets } from "@codex-gateway/domain";
import type { BooksHead } from "@codex-gateway/ledger";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepClock, keepHead, keepRestore, readKeptHeads } from "./kept-heads.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
let folder: string;
beforeEach(() => void (folder = mkdtempSync(path.join(tmpdir(), "heads-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const aHead = (day: number): BooksHead => ({
  before: `2026-11-${String(day).padStart(2, "0")}T00:00:00.000Z`,
  accounts: day,
  balanceNanoUsd: "1",
  chains: "aa",
  audit: null,
  priceVersions: 0,
  prices: "bb",
});
const file = () => path.join(folder, `${new Date().getUTCFullYear()}.jsonl`);
const linesOf = () => readFileSync(file(), "utf8").trimEnd().split("\n");
const daysOf = () => readKeptHeads(folder, secrets).heads.map(({ accounts }) => accounts);
const faultsOf = (by = secrets) => readKeptHeads(folder, by).faults;

function keep(...days: number[]): void {
  for (const day of days) keepHead(folder, secrets, aHead(day));
}

test("heads are read in the order in which they were kept, and a folder without any has no fault", () => {
  expect(readKeptHeads(path.join(folder, "none"), secrets)).toEqual({ heads: [], faults: [] });
  keep(1, 2, 3);
  expect(readKeptHeads(folder, secrets)).toEqual({ heads: [aHead(1), aHead(2), aHead(3)], faults: [] });
});

test("a changed line, a line of somebody without the secret key and a line taken out are each told in one sentence", () => {
  keep(1, 2, 3);
  const [first = "", second = "", third = ""] = linesOf();
  writeFileSync(file(), `${first}\n${second.replace('"accounts":2', '"accounts":9')}\n${third}\n`);
  expect(faultsOf()).toEqual([expect.stringContaining("line 2"), expect.stringContaining("missing before line 3")]);
  expect(daysOf()).toEqual([1, 3]);
  writeFileSync(file(), `${first}\n${third}\n`);
  expect(faultsOf()).toEqual([expect.stringMatching(/^Kept heads are missing before line 2 of [^\n]*\.$/)]);
  const stranger = { ...deriveSecrets("somebody else's thirty-two letters"), id: secrets.id };
  keepHead(folder, stranger, aHead(4));
  expect(daysOf()).toEqual([1, 3]);
  expect(faultsOf()).toHaveLength(2);
});

test("a line that a power failure cut off hides nothing before or after it", () => {
  keep(1);
  appendFileSync(file(), '{"kind":"head","he');
  expect(readKeptHeads(folder, secrets)).toEqual({ heads: [aHead(1)], faults: [] });
  keep(2);
  expect(readKeptHeads(folder, secrets)).toEqual({ heads: [aHead(1), aHead(2)], faults: [] });
});

test("after a restore, and after the clock was set back, later heads are of other books", () => {
  keep(1, 5, 9);
  keepRestore(folder, secrets, new Date(aHead(5).before));
  expect(daysOf()).toEqual([1, 5]);
  keep(7);
  keepClock(folder, secrets, new Date(aHead(6).before));
  expect(daysOf()).toEqual([1, 5]);
  expect(faultsOf()).toEqual([]);
});

test("with a new secret key the lines of the one before still count, and later ones of nobody's are passed over", () => {
  keep(1);
  const next = deriveSecrets("another secret of thirty-two chars", {
    previousSecretKey: "a secret of thirty-two characters",
  });
  keepHead(folder, next, aHead(2));
  expect(readKeptHeads(folder, next).heads).toEqual([aHead(1), aHead(2)]);
  const forgotten = deriveSecrets("another secret of thirty-two chars");
  expect(readKeptHeads(folder, forgotten)).toEqual({ heads: [aHead(2)], faults: [] });
});
