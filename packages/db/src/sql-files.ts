/**
 * Reads SQL objects (composite types, functions, aggregates, views) from their files: one file per object, named like
 * it, that creates or replaces it. Its last line has its version, which an older program knows a newer file by.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { StartError } from "./start-error.ts";

/** In the order in which they are created: each may name what stands before it. */
const kinds = ["type", "function", "aggregate", "view"] as const;
type Kind = (typeof kinds)[number];

export type SqlObject = { kind: Kind; name: string; version: number; checksum: string; sql: string; file: string };
/** Dropped for good: a version after the last one that used it. */
export type RetiredObject = { kind: Kind; name: string; file: string };
export type SqlFiles = { objects: SqlObject[]; retired: RetiredObject[] };

const listOfRetired = "retired.txt";
const creation = /^CREATE (?:OR REPLACE )?(TYPE|FUNCTION|AGGREGATE|VIEW) (\w+)/m;
const versionLine = /^-- version (\d+), checksum [0-9a-f]+\n$/m;
const retirement = /^(type|function|aggregate|view) (\w+)$/;

/**
 * Reads all files of the folders; the objects in the order in which they are to be created, the retired ones in the
 * order in which they are to be dropped.
 * @throws StartError with one sentence that names the file that is not one of these
 */
export async function readSqlFiles(folders: string[]): Promise<SqlFiles> {
  const files = (await Promise.all(folders.map(listFiles))).flat();
  const objects = await Promise.all(files.filter((file) => file.endsWith(".sql")).map(readObject));
  const lists = await Promise.all(files.filter((file) => path.basename(file) === listOfRetired).map(readRetired));
  return { objects: objects.sort(compare), retired: lists.flat().sort(compare).reverse() };
}

async function listFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).map((name) => path.join(folder, name));
}

function compare(one: { kind: Kind; name: string }, other: { kind: Kind; name: string }): number {
  return kinds.indexOf(one.kind) - kinds.indexOf(other.kind) || (one.name < other.name ? -1 : 1);
}

async function readObject(file: string): Promise<SqlObject> {
  const sql = await readFile(file, "utf8");
  const [, kind, name] = creation.exec(sql) ?? [];
  if (!kind || name !== path.basename(file, ".sql")) {
    throw new StartError(`The file ${file} does not create the SQL object that it is named after.`);
  }
  const version = versionLine.exec(sql)?.[1];
  if (!version) throw new StartError(`The file ${file} has no version line; run npm run sql:versions.`);
  const checksum = createHash("sha256").update(sql).digest("hex");
  return { kind: kind.toLowerCase() as Kind, name, version: Number(version), checksum, sql, file };
}

async function readRetired(file: string): Promise<RetiredObject[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const [, kind, name] = retirement.exec(line) ?? [];
    if (!kind || !name) throw new StartError(`The file ${file} has a line that names no SQL object: ${line}.`);
    return { kind: kind as Kind, name, file };
  });
}
