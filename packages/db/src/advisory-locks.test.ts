import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { advisoryLocks } from "./advisory-locks.ts";

const packages = fileURLToPath(new URL("../..", import.meta.url));
const numbers = Object.values(advisoryLocks) as number[];

/** Files of sources and SQL, without tests, whose locks are their own. */
const files = ["db", "ledger", "domain"].flatMap((name) =>
  ["src", "sql"].flatMap((folder) =>
    readdirSync(path.join(packages, name, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|sql)$/.test(file) && !/\.test\.ts$|testing\/|generated\//.test(file))
      .map((file) => path.join(packages, name, folder, file)),
  ),
);

test("no two locks have one number", () => {
  expect(new Set(numbers).size).toBe(numbers.length);
});

test("a lock that SQL takes by its number stands in the table, and programs take none by number", () => {
  const taken = files.flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/pg_(?:try_)?advisory_(?:xact_)?lock\((\d[\d_]*)\)/g)].map(
      ([, number]) => [path.extname(file), Number(number)] as const,
    ),
  );
  expect(taken).toContainEqual([".sql", advisoryLocks.auditLog]);
  expect(taken.filter(([kind, number]) => kind !== ".sql" || !numbers.includes(number))).toEqual([]);
});
