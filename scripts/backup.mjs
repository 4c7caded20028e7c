// npm run backup [-- FILE]: the whole database in one file, while the gateway runs on.
import { runBeside } from "./pnpm.mjs";

runBeside("apps/web/dist/cli/backup.js");
