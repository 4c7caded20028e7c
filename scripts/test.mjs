// npm test: installs what is missing, then format, lint, types, unit tests, build and integration tests, in that order; the first
// failure ends the run.
import { requireNode, runPnpm } from "./pnpm.mjs";

const steps = [
  ["install", ["install", "--frozen-lockfile", "--prefer-offline"], { quiet: true }],
  ["generate", ["--filter", "@codex-gateway/db", "run", "generate"], { quiet: true }],
  ["format", ["exec", "prettier", "--check", ".", "--log-level", "warn"]],
  ["lint", ["exec", "eslint", "."]],
  ["types", ["--recursive", "--workspace-concurrency=2", "run", "typecheck"], { quiet: true }],
  ["unit", ["exec", "vitest", "run", "--project", "unit"]],
  ["build", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"], { quiet: true }],
  ["integration", ["exec", "vitest", "run", "--project", "integration"]],
];

requireNode();
for (const [name, args, options] of steps) {
  const startedAtMs = Date.now();
  console.log(`── ${name}`);
  const status = runPnpm(args, options);
  console.log(
    `── ${name}: ${status === 0 ? "passed" : "FAILED"} in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`,
  );
  if (status !== 0) process.exit(status);
}
