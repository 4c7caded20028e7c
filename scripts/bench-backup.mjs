// npm run bench:backup: backup and restore of a house with 10,000 users and 1,000,000 charges.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["bench/dist/backup.js", ...process.argv.slice(2)]);
