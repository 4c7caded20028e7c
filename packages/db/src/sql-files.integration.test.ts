import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readMigrations } from "./migrate.ts";
import { findSchemaFolders } from "./schema-folders.ts";
import { readSqlFiles } from "./sql-files.ts";

const rootFolder = fileURLToPath(new URL("../../../", import.meta.url));
const folders = findSchemaFolders(rootFolder);

test("each object is told by its file's first words, and is known to its version line", async () => {
  const { objects } = await readSqlFiles(folders.sqlObjects);
  expect(objects.length).toBeGreaterThan(20);
  expect(objects.filter(({ sql }) => !/^-- [A-Z][a-z]+s [^]*?\nCREATE /.test(sql)).map(({ file }) => file)).toEqual([]);
  const { status, stdout } = spawnSync("node", ["scripts/sql-versions.mjs", "--check"], { cwd: rootFolder });
  expect(stdout.toString()).toBe("");
  expect(status).toBe(0);
});

test("migrations make tables, and may drop a view; functions, and types that stand for no column, have files", async () => {
  const later = (await readMigrations(folders.migrations)).filter(({ name }) => Number.parseInt(name, 10) > 15);
  const creation =
    /\b(create|alter|drop)\s+(or\s+replace\s+)?(function|procedure|routine|aggregate)\b|\bcreate\s+(or\s+replace\s+)?view\b|\bcreate\s+type\s+\w+\s+as\s*\(/i;
  expect(later.filter(({ sql }) => creation.test(sql)).map(({ name }) => name)).toEqual([]);
});

test("the image has the folders", () => {
  const image = readFileSync(`${rootFolder}docker/Dockerfile`, "utf8");
  for (const folder of [folders.migrations, ...folders.sqlObjects]) {
    const name = folder.slice(rootFolder.length);
    expect(image).toContain(`COPY --from=built /app/${name} ${name}\n`);
  }
});
