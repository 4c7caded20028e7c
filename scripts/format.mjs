// npm run format: writes every file as Prettier would have it.
import { requireNode, runPnpm } from "./pnpm.mjs";
import { runNamed } from "./steps.mjs";

requireNode();
runNamed(["install"]);
process.exit(runPnpm(["exec", "prettier", "--write", ".", "--log-level", "warn", ...process.argv.slice(2)]));
