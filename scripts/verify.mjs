// npm run verify: proves the books of the database that the gateway uses; exits 1 on any breach.
import { runBeside } from "./pnpm.mjs";

runBeside("apps/web/dist/cli/verify.js");
