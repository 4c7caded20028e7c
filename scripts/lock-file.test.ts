/** A package with a binary for each platform is locked for all of them: a lock file that was pruned to one fails on the others. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const text = readFileSync(new URL("../pnpm-lock.yaml", import.meta.url), "utf8");
const locked = new Set(
  [...text.matchAll(/^ {2}'?((?:@[^@\s]+|[^@\s]+)@[^'\s(]+)'?:$/gm)].map(([, name]) => name ?? ""),
);

/** What a package for Linux on x64 is called, and how it is called for a Mac with Apple's chip. */
const siblingOf = (name: string): string => name.replace(/linux-(x64-gnu|x64|64)(?=@|$)/, "darwin-arm64");
const forLinux = [...locked].filter((name) => siblingOf(name) !== name);

test("what is locked for Linux is locked for a Mac", () => {
  expect(forLinux.length).toBeGreaterThan(5);
  expect(forLinux.map(siblingOf).filter((name) => !locked.has(name))).toEqual([]);
});
