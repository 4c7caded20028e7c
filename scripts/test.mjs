// npm test: installs what is missing, then format, lint, what is unused, types, unit tests, build, integration tests and e2e, in that order; the
// first failure ends the run.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { requireNode, runPnpm } from "./pnpm.mjs";

const steps = [
  ["install", ["install", "--frozen-lockfile", "--prefer-offline"], { quiet: true }],
  ["generate", ["--filter", "@codex-gateway/db", "run", "generate"], { quiet: true }],
  ["format", ["exec", "prettier", "--check", ".", "--log-level", "warn"]],
  ["lint", ["exec", "eslint", "."]],
  ["unused", ["exec", "knip"]],
  ["types", ["--recursive", "--workspace-concurrency=2", "run", "typecheck"], { quiet: true }],
  ["unit", ["exec", "vitest", "run", "--project", "unit"]],
  ["build", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"], { quiet: true }],
  ["integration", ["exec", "vitest", "run", "--project", "integration"]],
  ["e2e", ["exec", "vitest", "run", "--project", "e2e"]],
];

requireNode();
ensureChromium();
for (const [name, args, options] of steps) {
  const startedAtMs = Date.now();
  console.log(`── ${name}`);
  const status = runPnpm(args, options);
  console.log(
    `── ${name}: ${status === 0 ? "passed" : "FAILED"} in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`,
  );
  if (status !== 0) process.exit(status);
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
