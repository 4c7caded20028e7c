// npm run verify: proves the books of the database that the gateway uses; exits 1 on any breach.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
const web = "@codex-gateway/web...";
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline", "--filter", "codex-gateway", "--filter", web]],
  ["Building", ["exec", "turbo", "run", "build", "--filter", web, "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["apps/web/dist/verify.js"]);
