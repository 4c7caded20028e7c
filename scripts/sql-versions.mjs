// npm run sql:versions: raises the version of each SQL object whose file was changed, in the file's last line; also where
// two branches changed it and their last lines are in conflict. With --check it only names them, and fails where there are
// any.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const isCheck = process.argv.includes("--check");
const folders = ["db", "ledger", "domain"].map((name) => new URL(`../packages/${name}/sql/`, import.meta.url));
const files = folders.flatMap((folder) => readdirSync(folder).map((name) => new URL(name, folder)));
const changed = files.filter((file) => file.pathname.endsWith(".sql") && isChanged(file));

for (const file of changed) {
  console.log(fileURLToPath(file));
  if (!isCheck) raiseVersion(file);
}
if (isCheck && changed.length > 0) {
  console.error("These SQL objects were changed since they got their version: run npm run sql:versions.");
  process.exit(1);
}

/** The text without the last line, and what that line says; of two in conflict the higher version, and no checksum. */
function read(file) {
  const sql = readFileSync(file, "utf8");
  const line = "-- version (\\d+), checksum ([0-9a-f]+)\n";
  const end = `^(?:<<<<<<< .*\n${line}=======\n${line}>>>>>>> .*\n|${line})$`;
  const [lines, ours, , theirs, , version, checksum] = new RegExp(end, "m").exec(sql) ?? [""];
  const text = `${sql.slice(0, sql.length - lines.length).trimEnd()}\n`;
  return { text, version: Number(version ?? Math.max(ours ?? 0, theirs ?? 0)), checksum };
}

function isChanged(file) {
  const { text, checksum } = read(file);
  return checksumOf(text) !== checksum;
}

function raiseVersion(file) {
  const { text, version } = read(file);
  writeFileSync(file, `${text}-- version ${version + 1}, checksum ${checksumOf(text)}\n`);
}

function checksumOf(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
