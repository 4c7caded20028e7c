// npm run demo: installs and builds what is missing, then runs the demo in the foreground.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
const demo = "@codex-gateway/demo...";
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline", "--filter", "codex-gateway", "--filter", demo]],
  ["Building", ["exec", "turbo", "run", "build", "--filter", demo, "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["apps/demo/dist/main.js"]);
