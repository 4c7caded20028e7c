// npm run sql -- "SELECT …": looks into the embedded database of npm run dev while it runs, or with DATA_FOLDER=data into that of npm
// start. Nothing can be changed by it.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { rootFolder } from "./pnpm.mjs";

const [statement] = process.argv.slice(2);
const urlFile = path.resolve(rootFolder, process.env.DATA_FOLDER ?? "data/dev", "database-url");
if (!statement) fail('Give it one statement: npm run sql -- "SELECT id, balance_nano_usd FROM account"');
if (!existsSync(urlFile)) fail(`No gateway runs on ${path.dirname(urlFile)}.`);

const pg = createRequire(new URL("../packages/db/package.json", import.meta.url))("pg");
const client = new pg.Client({
  connectionString: readFileSync(urlFile, "utf8").trim(),
  options: "-c default_transaction_read_only=on -c statement_timeout=60s",
});
try {
  await client.connect();
  const { rows } = await client.query(statement);
  console.table(rows);
} catch (error) {
  fail(error.message);
} finally {
  await client.end();
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
