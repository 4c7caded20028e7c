// npm start: installs what is missing, builds what changed, and runs the gateway in the foreground, again where it dies. Node and npm suffice.
import { runGateway } from "./pnpm.mjs";

await runGateway();
