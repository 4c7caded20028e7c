/** Where the pages come from: the build, or (for who works on them) a development server that reads their sources. */
import type { IncomingMessage, ServerResponse } from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { ServerBuild } from "@remix-run/node";
import sirv from "sirv";

export type PageSource = {
  build: ServerBuild | (() => Promise<ServerBuild>);
  mode: "production" | "development";
  /** Answers with a file that pages refer to; calls `next` where there is none at the address. */
  serveFile: (req: IncomingMessage, res: ServerResponse, next: () => void) => void;
  /** Directives of the content security policy that the source needs beyond those of the pages. */
  policy: readonly string[];
};

/** Reads what `remix vite:build` made. */
export async function builtPages(rootFolder: string): Promise<PageSource> {
  const webFolder = path.join(rootFolder, "apps/web/build");
  const file = pathToFileURL(path.join(webFolder, "server/index.js")).href;
  const build = (await import(/* @vite-ignore */ file)) as ServerBuild;
  return { build, mode: "production", serveFile: serveBuiltFiles(path.join(webFolder, "client")), policy: [] };
}

/** The names of built files carry a hash, so browsers may keep those under /assets for ever. */
function serveBuiltFiles(folder: string): PageSource["serveFile"] {
  return sirv(folder, {
    setHeaders: (res, name) =>
      res.setHeader(
        "cache-control",
        name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "public, max-age=3600",
      ),
  });
}
