// npm run test:fair: the long forms of the tests of what is held and charged: 2,000 realistic requests against their holds,
// 10,000 that hide what they use against their upstream's bill, and 12 kills between two slices of streams.
import { requireNode, runPnpm, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Building", ["exec", "turbo", "run", "build", "--output-logs", "errors-only"]],
]);
process.env.FAIR_BODIES ??= "2000";
process.env.FREE_RIDES ??= "10000";
process.env.EXTENSION_KILLS ??= "12";
const files = [
  "apps/web/server/boot/fair-holds.integration.test.ts",
  "packages/gateway/src/metering/fair-ceilings.integration.test.ts",
  "packages/gateway/src/free-riding.integration.test.ts",
  "apps/web/e2e/src/extensions.e2e.ts",
];
process.exit(runPnpm(["exec", "vitest", "run", "--project", "integration", "--project", "e2e", ...files]));
