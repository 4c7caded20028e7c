/** The pages as Vite reads them from their sources, with hot module replacement in the browser. */
import type { PageSource } from "@codex-gateway/web/server/boot/page-source.ts";
import type { ViteDevServer } from "vite";
import type { LoginLinks } from "./login-links.ts";

export function createPageSource(vite: ViteDevServer, links: LoginLinks, changesPort: number): PageSource {
  return {
    build: async () => (await vite.ssrLoadModule("virtual:remix/server-build")) as Awaited<ServerBuild>,
    mode: "development",
    serveFile: (req, res, next) => {
      if (links.answer(req, res)) return;
      vite.middlewares(req, res, (error?: unknown) => {
        if (error === undefined) next();
        else res.writeHead(500, { "content-type": "text/plain" }).end((error as Error).message);
      });
    },
    policy: [`connect-src 'self' ws://127.0.0.1:${changesPort}`, "worker-src 'self' blob:"],
  };
}

type ServerBuild = ReturnType<Extract<PageSource["build"], () => unknown>>;
