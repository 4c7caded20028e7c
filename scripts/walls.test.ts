/** Who may depend on whom: a package's dependencies are its walls. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

type Manifest = { dependencies?: Record<string, string> };

const own = "@codex-gateway/";
const allowed: Record<string, { own: string[]; never: RegExp }> = {
  "packages/gateway": { own: [], never: /prisma|remix|trpc|^pg$|lucia/ },
  "packages/db": { own: [], never: /remix|trpc|lucia/ },
  "packages/ledger": { own: ["db"], never: /prisma|remix|trpc|undici/ },
  "packages/domain": { own: ["db", "ledger"], never: /prisma|remix|trpc|undici/ },
  "packages/api": { own: ["domain"], never: /prisma|remix|^pg$/ },
  "apps/web": { own: ["api", "db", "domain", "gateway", "ledger"], never: /^pg$|undici/ },
};

test.each(Object.entries(allowed))("%s depends on nothing beyond its wall", (folder, wall) => {
  const manifest = JSON.parse(readFileSync(new URL(`../${folder}/package.json`, import.meta.url), "utf8")) as Manifest;
  const names = Object.keys(manifest.dependencies ?? {});
  const ours = names.filter((name) => name.startsWith(own)).map((name) => name.slice(own.length));
  expect(ours.filter((name) => !wall.own.includes(name))).toEqual([]);
  expect(names.filter((name) => wall.never.test(name))).toEqual([]);
});
