// npm run backup [-- FILE]: the whole database in one file, while the gateway runs on.
import { runBuilt } from "./pnpm.mjs";

runBuilt("apps/web/dist/backup.js", { isBeside: true });
