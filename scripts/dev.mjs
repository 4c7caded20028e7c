// npm run dev: the gateway and its pages from their sources, with what they need beside them. A change shows within seconds.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline"]],
  ["Generating", ["exec", "turbo", "run", "generate", "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["--enable-source-maps", "apps/demo/src/dev/main.mjs"]);
