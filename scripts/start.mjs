// npm start: installs what is missing, builds what changed, and runs the gateway in the foreground. Node and npm suffice.
import { requireNode, runForeground, runSteps } from "./pnpm.mjs";

requireNode();
const web = "@codex-gateway/web...";
runSteps([
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline", "--filter", "codex-gateway", "--filter", web]],
  ["Building", ["exec", "turbo", "run", "build", "--filter", web, "--output-logs", "errors-only"]],
]);
runForeground(process.execPath, ["--enable-source-maps", "apps/web/dist/main.js"]);
