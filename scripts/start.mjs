// npm start: installs what is missing, builds what changed, and runs the gateway in the foreground. Node and npm suffice.
import { runBuilt } from "./pnpm.mjs";

runBuilt("apps/web/dist/main.js");
