// npm run admin -- COMMAND: for whoever runs the gateway and cannot get in by its pages.
import { runBuilt } from "./pnpm.mjs";

runBuilt("apps/web/dist/admin.js", { isBeside: true });
