// npm run test:kills: the long form of the crash test: 20 kills of the gateway and 5 of PostgreSQL under load.
import { requireNode, runPnpm, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
process.env.GATEWAY_KILLS ??= "20";
process.env.POSTGRES_KILLS ??= "5";
process.exit(runPnpm(["exec", "vitest", "run", "--project", "e2e", "apps/web/e2e/src/kills.e2e.ts"]));
