// npm run test:isolation [-- --seconds N] [-- --each] [-- ATTACK …]: the long form of the isolation test: a minute of all
// attacks at once, or of the named ones; with --each, each of them alone against a gateway of its own.
import { parseArgs } from "node:util";
import { requireNode, runPnpm, runSteps } from "./pnpm.mjs";

requireNode();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "60" }, each: { type: "boolean", default: false } },
});
if (!(Number(values.seconds) > 0)) {
  console.error(`--seconds takes a number above zero, not "${values.seconds}".`);
  process.exit(1);
}
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
process.env.ISOLATION_SECONDS = values.seconds;
if (values.each) process.env.ISOLATION_EACH = "1";
if (positionals.length > 0) process.env.ATTACKS = positionals.join(",");
process.exit(runPnpm(["exec", "vitest", "run", "--project", "e2e", "apps/web/e2e/src/isolation.e2e.ts"]));
