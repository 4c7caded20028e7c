// npm run sql:versions: raises the version of each SQL object whose file was changed, in the file's last line. With
// --check it only names them, and fails where there are any.
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

/** The text without the last line, and what that line says. */
function read(file) {
  const sql = readFileSync(file, "utf8");
  const [line, version, checksum] = /^-- version (\d+), checksum ([0-9a-f]+)\n$/m.exec(sql) ?? [""];
  const text = `${sql.slice(0, sql.length - line.length).trimEnd()}\n`;
  return { text, version: Number(version ?? 0), checksum };
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
