// The one place that knows how pnpm is reached: the version pinned in package.json, through npx, so that Node and npm suffice.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { supervise } from "./supervise.mjs";

export const rootFolder = fileURLToPath(new URL("..", import.meta.url));
const { packageManager } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** Runs pnpm to its end; returns its exit code. `quiet` shows the output only when it fails. */
export function runPnpm(args, { quiet = false } = {}) {
  const done = spawnSync("npx", ["--yes", packageManager, ...args], {
    cwd: rootFolder,
    stdio: quiet ? "pipe" : "inherit",
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (quiet && done.status !== 0) process.stderr.write(`${done.stdout}${done.stderr}`);
  return done.status ?? 1;
}

/** Starts a program in the root folder and hands on its end and the signals that reach us. */
export function runForeground(command, args, env = process.env) {
  const child = spawn(command, args, { cwd: rootFolder, stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
  whenParentEnds(() => child.kill("SIGTERM"));
}

/** npm ends on a signal without handing it on to what its shell has started: nobody is left who could stop us. */
function whenParentEnds(end) {
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || end(), 500).unref();
}

/** One sentence and a non-zero exit where Node is too old to run the rest. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Codex Gateway needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/** Room for what the calls under way need: with Node's 16 MB a busy gateway copies it over and over. In MB. */
export const nodeFlags = ["--enable-source-maps", "--max-semi-space-size=32"];

export const gatewayProgram = "apps/web/dist/boot/main.js";

/** Installs what the gateway needs, builds what changed, and runs it in the foreground; where it dies, starts it again. */
export async function runGateway() {
  requireNode();
  buildGateway();
  whenParentEnds(() => process.kill(process.pid, "SIGTERM"));
  const args = [...nodeFlags, gatewayProgram, ...process.argv.slice(2)];
  process.exit(await supervise(process.execPath, args, { cwd: rootFolder }));
}

/** Runs a program beside the gateway with our arguments, as it was built: the gateway that runs is of the same build. */
export function runBeside(program) {
  requireNode();
  if (!existsSync(path.join(rootFolder, program))) buildGateway();
  runForeground(process.execPath, [...nodeFlags, program, ...process.argv.slice(2)]);
}

/** Installs what the gateway needs and builds what changed. */
export function buildGateway() {
  const web = "@codex-gateway/web...";
  runSteps([
    ["Installing", ["install", "--frozen-lockfile", "--prefer-offline", "--filter", "codex-gateway", "--filter", web]],
    ["Building", ["exec", "turbo", "run", "build", "--filter", web, "--output-logs", "errors-only"]],
  ]);
}

/** Runs named pnpm commands in order, quietly; the first that fails ends the process with its output. */
export function runSteps(steps) {
  for (const [name, args] of steps) {
    console.error(`${name} …`);
    const status = runPnpm(args, { quiet: true });
    if (status === 0) continue;
    console.error(`${name} failed; the lines above say why.`);
    process.exit(status);
  }
}
