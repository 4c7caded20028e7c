import { tmpdir } from "node:os";
import path from "node:path";

export const demoFolder = path.join(tmpdir(), "codex-gateway-e2e");
export const anyPorts = { port: "0", apiPort: "0", folder: demoFolder };
