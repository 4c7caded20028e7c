// npm run verify: proves the books of the database that the gateway uses; exits 1 on any breach.
import { runBuilt } from "./pnpm.mjs";

runBuilt("apps/web/dist/verify.js", { isBeside: true });
