import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { en } from "./en";
import { serverMessagesZh } from "./server-messages";
import { zh } from "./zh";

const app = fileURLToPath(new URL("..", import.meta.url));
const packages = fileURLToPath(new URL("../../../../packages", import.meta.url));

const sourcesIn = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(
      ({ name, parentPath }) =>
        /\.tsx?$/.test(name) && !/node_modules|dist|\.test\.|i18n/.test(`${parentPath}/${name}`),
    )
    .map(({ name, parentPath }) => readFileSync(path.join(parentPath, name), "utf8"))
    .join("\n");

/** `login.title` and so on; what is found by a name that only comes up at run time counts as one. */
const pathsOf = (texts: object, prefix = ""): string[] =>
  Object.entries(texts).flatMap(([name, value]) => {
    const at = prefix ? `${prefix}.${name}` : name;
    const isByName = [
      "classes",
      "bases",
      "actions",
      "fields",
      "targets",
      "sources",
      "roles",
      "roleHints",
      "states",
      "health",
      "themes",
      "steps",
    ].includes(name);
    return typeof value === "object" && !isByName ? pathsOf(value as object, at) : [at];
  });

test("every text is used by a page", () => {
  const source = sourcesIn(app).replace(/\s+/g, "");
  const unused = pathsOf(zh).filter((at) => !source.includes(`t.${at}`));
  expect(unused).toEqual([]);
});

test("both languages have the same texts, and none is empty", () => {
  expect(pathsOf(en)).toEqual(pathsOf(zh));
  const empty = (texts: object): string[] =>
    Object.entries(texts).flatMap(([name, value]) =>
      value === "" ? [name] : typeof value === "object" ? empty(value as object) : [],
    );
  expect([...empty(zh), ...empty(en)]).toEqual([]);
});

test("English counts one thing as one", () => {
  expect([en.dashboard.requests("1"), en.dashboard.requests("1,001")]).toEqual(["1 request", "1,001 requests"]);
  expect(en.usage.totals("1", "$0.01", "1")).toBe("Total: 1 token, $0.01 (1 request)");
  expect([en.prices.applied(1), en.prices.proposals(2)]).toEqual([
    "Applied 1 price.",
    "Published prices changed for 2 models",
  ]);
});

test("whatever the server says to people is said in Chinese too", () => {
  const source = sourcesIn(packages);
  const said = [...source.matchAll(/new AppError\(\s*"\w+",\s*"([^"]+)"/g)].map(([, message]) => message!);
  const validated = [...source.matchAll(/"((?:Enter|A password|Give|Choose) [^"]+\.)"/g)].map(
    ([, message]) => message!,
  );
  const missing = [...new Set([...said, ...validated])].filter((message) => !(message in serverMessagesZh));
  expect(missing).toEqual([]);
});
