// npm start: installs what is missing, builds what changed, and runs the gateway in the foreground. Node and npm suffice.
import { requireNode, runForeground, runPnpm } from "./pnpm.mjs";

requireNode();
const web = "@codex-gateway/web...";
const steps = [
  ["Installing", ["install", "--frozen-lockfile", "--prefer-offline", "--filter", "codex-gateway", "--filter", web]],
  ["Building", ["exec", "turbo", "run", "build", "--filter", web, "--output-logs", "errors-only"]],
];
for (const [name, args] of steps) {
  console.log(`${name} …`);
  const status = runPnpm(args, { quiet: true });
  if (status !== 0) {
    console.error(`${name} failed; the lines above say why.`);
    process.exit(status);
  }
}
runForeground(process.execPath, ["--enable-source-maps", "apps/web/dist/main.js"]);
