import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { invariants } from "./invariants.ts";

test("the README's table has each invariant, in the order of the report", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const rows = [...readme.matchAll(/^\| (I\d+|[A-Z]{3,4}) +\|/gm)].map(([, name]) => name);
  expect(rows).toEqual(Object.keys(invariants));
});
