// npm run bench [-- --json]: this gateway, a bare pass-through and Portkey's gateway, in one run.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["bench/dist/main.js", ...process.argv.slice(2)]);
