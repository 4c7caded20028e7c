// npm run screenshots: every page × language × theme × device, full and empty, into screenshots/.
import { requireNode, runPnpm, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
process.exit(runPnpm(["exec", "vitest", "run", "--project", "screenshots"]));
