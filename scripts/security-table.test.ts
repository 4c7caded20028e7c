/** Every number of docs/security.md is the code's own. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { readBudgets, toNumber, valuesOf } from "./security-table.ts";

const at = (file: string) => fileURLToPath(new URL(`../${file}`, import.meta.url));
const read = (file: string) => readFileSync(at(file), "utf8");
const document = read("docs/security.md");
const budgets = readBudgets(document);

test("there are budgets for strangers, users, upstreams and databases", () => {
  expect(budgets.length).toBeGreaterThan(40);
});

test.each(budgets)("$constant is $number", ({ file, name, number }) => {
  expect(existsSync(at(file)), `${file} exists`).toBe(true);
  const values = valuesOf(read(file), name);
  expect(values, `${name} is given a number in ${file}`).not.toEqual([]);
  expect(new Set(values), `${name} in ${file}`).toEqual(new Set([toNumber(number, name)]));
});

test.each([...new Set(budgets.flatMap(({ tests }) => tests))])("%s, which a budget names, exists", (file) => {
  expect(existsSync(at(file))).toBe(true);
});

test("every attack of the isolation test has its rate in the document", () => {
  const list = read("apps/web/e2e/src/attack/attacks.ts");
  const files = [...list.matchAll(/from "\.\/([a-z-]+)\.ts"/g)].map(([, name]) => name ?? "");
  const attacks = files.filter((name) => name !== "attack");
  expect(attacks.length).toBeGreaterThan(15);
  expect(attacks.filter((name) => !document.includes(`apps/web/e2e/src/attack/${name}.ts#`))).toEqual([]);
});

describe("the reader of the tables", () => {
  const table = [
    "| Who | Number | In code | Test |",
    "| --- | --- | --- | --- |",
    "| a stranger | 64 KiB | `a/b.ts#maxBytes` | `a/b.test.ts`: a name |",
    "",
    "| Other | Table |",
    "| --- | --- |",
    "| x | y |",
  ].join("\n");

  test("finds rows, their constants and their tests", () => {
    const budget = { file: "a/b.ts", name: "maxBytes", number: "64 KiB", tests: ["a/b.test.ts"] };
    expect(readBudgets(table)).toMatchObject([budget]);
  });

  test.each([
    ["64 KiB", "maxBytes", 65_536],
    ["10,000", "maxConnections", 10_000],
    ["2^59", "maxNano", 2 ** 59],
    ["15 min", "windowMs", 900_000],
    ["15 min", "duration", 900],
    ["1.5 s", "waitMs", 1_500],
    ["none", "maxBytes", NaN],
  ])("reads %s for %s", (text, name, value) => {
    expect(toNumber(text, name)).toBe(value);
  });

  test.each([
    ["const maxBytes = 64 * 1024;", 65_536],
    ["export const maxBytes: number = 10_000;", 10_000],
    ["{ maxBytes = 7, other = 8 }", 7],
    ["{ other: 8, maxBytes: 2n ** 59n }", 2 ** 59],
    ["const notmaxBytes = 3; const maxBytes = 4;", 4],
    ["{ maxBytes: 64 * mebibyte }", 64 * 1024 * 1024],
    ['maxBytes: perWindow("login", 10),', 10],
  ])("finds the value in %s", (source, value) => {
    expect(valuesOf(source, "maxBytes")).toEqual([value]);
  });

  test("finds a member of the object that is named", () => {
    const source = "const use = { ledger: { lock: 200, idle: 5 }, app: { lock: 5_000 } }; const maxDepth = 1;";
    expect(valuesOf(source, "ledger.lock")).toEqual([200]);
    expect(valuesOf(source, "app.lock")).toEqual([5_000]);
    expect(valuesOf("const limits = { maxDepth: 64 };", "limits.maxDepth")).toEqual([64]);
  });

  test("sees a number that the code has changed, and one that is gone", () => {
    expect(valuesOf("const maxBytes = 1;", "maxBytes")).not.toEqual([toNumber("2", "maxBytes")]);
    expect(valuesOf("const maximum = 1;", "maxBytes")).toEqual([]);
  });
});
