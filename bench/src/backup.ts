/**
 * npm run bench:backup: a house with 10,000 users and 1,000,000 charges is backed up while its gateway runs, restored
 * into an empty folder, and verified there, each by the program that an operator runs. The last line is the figures as
 * JSON. BENCH_USERS and BENCH_CHARGES make the house smaller.
 */
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openDatabase } from "@codex-gateway/db";
import { startDemo } from "@codex-gateway/demo";
import { fillBigHouse, wantedHouseSize } from "./big-house.ts";

const run = promisify(execFile);
const programs = fileURLToPath(new URL("../../apps/web/dist/cli", import.meta.url));
const size = wantedHouseSize();

async function timed<T>(name: string, work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const startedAtMs = performance.now();
  const result = await work();
  const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
  console.log(`${name}: ${seconds} s`);
  return { result, seconds };
}

/** Runs one of the operator's programs on an installation's own database; shows what it said. It throws where it fails. */
async function operate(dataFolder: string, program: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, DATA_FOLDER: dataFolder, DATABASE_URL: "", SECRET_KEY: "", SECRET_KEY_PREVIOUS: "" };
  const { stdout } = await run(process.execPath, [path.join(programs, program), ...args], { env });
  process.stdout.write(stdout.replace(/^/gm, "  ").trimEnd() + "\n");
  return stdout;
}

async function fill(dataFolder: string): Promise<void> {
  const db = openDatabase(readFileSync(path.join(dataFolder, "database-url"), "utf8").trim(), { maxConnections: 2 });
  try {
    await fillBigHouse(db, size);
  } finally {
    await db.close();
  }
}

async function main(): Promise<void> {
  const empty = mkdtempSync(path.join(tmpdir(), "codex-gateway-restored-"));
  const file = path.join(empty, "backup.sql.gz");
  const demo = await startDemo({ port: "0", apiPort: "0", folder: tmpdir() });
  try {
    const filled = await timed("fill", () => fill(demo.dataFolder));
    const backup = await timed("backup", () => operate(demo.dataFolder, "backup.js", file));
    copyFileSync(path.join(demo.dataFolder, "secret-key"), path.join(empty, "secret-key"));
    const restore = await timed("restore, with its proof", () => operate(empty, "restore.js", file));
    const verify = await timed("verify", () => operate(empty, "verify.js"));
    if (!restore.result.includes(`, ${size.charges} charges`)) throw new Error("Not every charge was restored.");
    const figures = {
      ...size,
      fillSeconds: filled.seconds,
      backupSeconds: backup.seconds,
      backupBytes: statSync(file).size,
      restoreSeconds: restore.seconds,
      verifySeconds: verify.seconds,
    };
    console.log(JSON.stringify(figures));
  } finally {
    await demo.stop();
    rmSync(empty, { recursive: true, force: true });
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(`The benchmark failed: ${(error as Error).message}`);
    process.exit(1);
  },
);
