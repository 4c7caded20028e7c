/** Every relative link in a page of the repository leads to a file that is there, and to a heading that is in it. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { brokenLinks, headingAnchors } from "./testing/markdown-links.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const skipped = new Set(["node_modules", "dist", "build", "data", "generated", ".git", ".turbo", "screenshots"]);

const pages = readdirSync(root, { withFileTypes: true })
  .filter(({ name }) => !skipped.has(name))
  .flatMap((entry) => (entry.isDirectory() ? pagesBelow(entry.name) : [entry.name]))
  .filter((name) => name.endsWith(".md"));

function pagesBelow(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !skipped.has(name))
    .flatMap((entry) => {
      const name = path.join(folder, entry.name);
      return entry.isDirectory() ? pagesBelow(name) : [name];
    });
}

const repository = {
  exists: (file: string) => existsSync(path.join(root, file)),
  read: (file: string) => {
    const full = path.join(root, file);
    return statSync(full).isFile() ? readFileSync(full, "utf8") : null;
  },
};

test.each(pages)("%s has no broken link", (page) => {
  expect(brokenLinks(page, repository)).toEqual([]);
});

test("the index of the decisions names each of them by its number and title", () => {
  const folder = path.join(root, "docs/decisions");
  const index = readFileSync(path.join(folder, "README.md"), "utf8").replaceAll(/ +/g, " ");
  const missing = readdirSync(folder)
    .filter((name) => /^\d/.test(name))
    .filter((name) => {
      const [number = "", title = ""] =
        readFileSync(path.join(folder, name), "utf8").split("\n", 1)[0]?.slice(2).split(" — ") ?? [];
      return number !== name.slice(0, 3) || !index.includes(`| [${number}](${name}) | ${title} |`);
    });
  expect(missing).toEqual([]);
});

const aRepository = (files: Record<string, string>) => ({
  exists: (file: string) => file in files || Object.keys(files).some((name) => name.startsWith(`${file}/`)),
  read: (file: string) => files[file] ?? null,
});

test.each([
  ["a file that is not there", "[x](missing.md)", ["missing.md"]],
  ["an image that is not there", "![x](missing.png)", ["missing.png"]],
  ["a heading that is not there", "[x](other.md#nowhere)", ["other.md#nowhere"]],
  ["a heading of the page itself", "[x](#nowhere)\n\n## Here", ["#nowhere"]],
  ["a definition below the text", "[x][1]\n\n[1]: missing.md", ["missing.md"]],
  ["a target in angle brackets, with a title", '[x](<missing file.md> "title")', ["missing file.md"]],
  ["one that leaves the repository", "[x](../../elsewhere.md)", ["../../elsewhere.md"]],
  ["a heading of a file that has none", "[x](code.ts#L10)", []],
  [
    "a folder, a file, a heading, another site",
    "[a](docs) [b](other.md) [c](other.md#a-heading) [d](https://x.y/z)",
    [],
  ],
  ["what only looks like a link, in code", "`[x](missing.md)`\n\n```sh\n[x](missing.md)\n```", []],
])("%s", (_what, text, broken) => {
  const files = { "docs/page.md": text, "docs/other.md": "# A heading", "docs/code.ts": "", "docs/docs/x.md": "" };
  expect(brokenLinks("docs/page.md", aRepository(files))).toEqual(broken);
});

test("anchors are what GitHub makes of headings", () => {
  const text = "# `npm run dev`, in short\n\n## 两条命令\n\n## Twice\n\n## Twice\n\n```md\n# no heading\n```\n";
  expect(headingAnchors(text)).toEqual(["npm-run-dev-in-short", "两条命令", "twice", "twice-1"]);
});
