// Starts Vite over the sources of the pages and of the server, and with it the development server: nothing is built.
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createServer as createVite, defaultClientConditions, defaultServerConditions } from "vite";

if (process.env.NODE_ENV === "production") {
  console.error("The development server logs in whoever reads its output: it does not run with NODE_ENV=production.");
  process.exit(1);
}

const rootFolder = fileURLToPath(new URL("../../../..", import.meta.url));
const webFolder = path.join(rootFolder, "apps/web");

// What tells browsers of changes has a port of its own, so that it outlives the restarts of the server.
const changes = createHttpServer().listen(0, "127.0.0.1");
await once(changes, "listening");
const changesPort = changes.address().port;

const vite = await createVite({
  root: webFolder,
  configFile: path.join(webFolder, "vite.config.ts"),
  logLevel: "warn",
  clearScreen: false,
  resolve: { conditions: ["source", ...defaultClientConditions] },
  ssr: {
    noExternal: [/^@codex-gateway\//],
    resolve: { conditions: ["source", ...defaultServerConditions] },
  },
  server: {
    middlewareMode: true,
    hmr: { server: changes, clientPort: changesPort },
    watch: { ignored: ["**/dist/**", "**/build/**", "**/e2e/**", "**/*.test.ts"] },
    // Not the whole repository: data/ holds secrets.
    fs: {
      allow: ["apps/web", "packages", "node_modules"].map((folder) => realpathSync(path.join(rootFolder, folder))),
    },
  },
});
const { runDev } = await vite.ssrLoadModule(fileURLToPath(new URL("./dev.ts", import.meta.url)));
await runDev({ vite, rootFolder, changesPort });
