// npm run bench [-- --json]: this gateway, a bare pass-through and Portkey's gateway, in one run; with --against REVISION
// this build and that of another revision, in turn. Also --rounds N, --seconds N, --at-least RATIO or --at-least CASE=RATIO.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["bench/dist/main.js", ...process.argv.slice(2)]);
