// For deploy-auto.sh: installs what the gateway needs and builds what changed, without starting it.
import { buildGateway, requireNode } from "./pnpm.mjs";

requireNode();
buildGateway();
