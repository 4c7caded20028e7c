// npm run admin -- COMMAND: for whoever runs the gateway and cannot get in by its pages.
import { runBeside } from "./pnpm.mjs";

runBeside("apps/web/dist/cli/admin.js");
