// The steps of npm test, each of which is a command of its own too: what it runs, and what has to be there first.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { runPnpm } from "./pnpm.mjs";

const quiet = true;
const vitest = (project) => ["exec", "vitest", "run", "--project", project];

/** In the order of npm test. `needs` names steps that come first. */
export const steps = {
  install: { args: ["install", "--frozen-lockfile", "--prefer-offline"], quiet },
  generate: { args: ["--filter", "@codex-gateway/db", "run", "generate"], quiet, needs: ["install"] },
  format: { args: ["exec", "prettier", "--check", ".", "--log-level", "warn"], needs: ["install"] },
  lint: { args: ["exec", "eslint", "."], needs: ["install", "generate"] },
  unused: { args: ["exec", "knip"], needs: ["install", "generate"] },
  types: {
    args: ["--recursive", "--workspace-concurrency=2", "run", "typecheck"],
    quiet,
    needs: ["install", "generate"],
  },
  unit: { args: vitest("unit"), needs: ["install", "generate"] },
  build: { args: ["exec", "turbo", "run", "build", "--output-logs", "errors-only"], quiet, needs: ["install"] },
  integration: { args: vitest("integration"), needs: ["install", "generate"] },
  e2e: { args: vitest("e2e"), needs: ["install", "generate", "build"] },
};

/** Runs the steps by their names, in order, and says how long each took; the first failure ends the process. */
export function runNamed(names, moreArgs = []) {
  if (names.includes("e2e")) ensureChromium();
  for (const name of names) {
    const { args, quiet: isQuiet = false } = steps[name];
    const startedAtMs = Date.now();
    console.log(`── ${name}`);
    const isLast = name === names.at(-1);
    const status = runPnpm([...args, ...(isLast ? moreArgs : [])], { quiet: isQuiet });
    const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1);
    console.log(`── ${name}: ${status === 0 ? "passed" : "FAILED"} in ${seconds} s`);
    if (status !== 0) process.exit(status);
  }
}

/** The browser journeys need Chromium: Debian's where the machine is Debian and we are root, else Playwright's own. */
function ensureChromium() {
  if (existsSync("/usr/bin/chromium")) return;
  console.log("── chromium");
  const isRoot = process.getuid?.() === 0;
  const run = (command, args) => spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] }).status === 0;
  if (isRoot && run("apt-get", ["update", "-qq"]) && run("apt-get", ["install", "-y", "-qq", "chromium"])) return;
  if (run("npx", ["--yes", "playwright-core@1.65", "install", "chromium"])) return;
  console.error("Chromium could not be installed; install it as /usr/bin/chromium and run this again.");
  process.exit(1);
}
