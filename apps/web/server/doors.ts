/**
 * The map of the product: which address leads where.
 *
 * PORT:      built files · all else → Remix, its /v1 resource route included
 * API_PORT:  /v1/* → gateway · /healthz · /readyz
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import sirv from "sirv";
import { answerWithWebHandler, type WebHandler } from "./web-bridge.ts";

export type Doors = {
  pages: WebHandler;
  gateway: (req: IncomingMessage, res: ServerResponse) => Promise<void>;
  isReady: () => Promise<boolean>;
  publicUrl: () => string;
  assetsFolder: string;
};

/** The listener of the pages' port. */
export function createPagesListener(doors: Doors): RequestListener {
  // The names of built files carry a hash, so browsers may keep those under /assets for ever.
  const serveBuiltFile = sirv(doors.assetsFolder, {
    setHeaders: (res, name) =>
      res.setHeader(
        "cache-control",
        name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "public, max-age=3600",
      ),
  });
  return (req, res) => {
    if (!req.url?.startsWith("/")) {
      sendText(res, 400, "Bad request");
      return;
    }
    serveBuiltFile(req, res, () => {
      answerWithWebHandler(req, res, new URL(doors.publicUrl()).origin, doors.pages).catch(() => {
        if (res.headersSent) res.destroy();
        else sendText(res, 500, "Internal server error");
      });
    });
  };
}

/** The listener of the API's port. */
export function createApiListener(doors: Doors): RequestListener {
  return (req, res) => {
    if (req.url === "/healthz") {
      sendText(res, 200, "ok");
      return;
    }
    if (req.url === "/readyz") {
      doors.isReady().then(
        (isReady) => sendText(res, isReady ? 200 : 503, isReady ? "ready" : "not ready"),
        () => sendText(res, 503, "not ready"),
      );
      return;
    }
    doors.gateway(req, res).catch(() => res.destroy());
  };
}

/**
 * Listens with the limits of design: 10 s for the headers, 5 min for the whole request, 65 s of keep-alive.
 * @throws Error with one sentence where the port is taken or not allowed.
 */
export async function listen(listener: RequestListener, port: number, host: string, name: string): Promise<Server> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 300_000, keepAliveTimeout: 65_000 }, listener);
  // The gateway answers `Expect: 100-continue` itself, after it has seen the key and the size.
  server.on("checkContinue", listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(new Error(listenFault(error, port, name))));
    server.listen(port, host, resolve);
  });
  return server;
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function listenFault(error: NodeJS.ErrnoException, port: number, name: string): string {
  if (error.code === "EADDRINUSE") return `Port ${port} is taken by another program; set ${name} to a free one.`;
  if (error.code === "EACCES") return `Port ${port} may not be opened by this user; set ${name} to one above 1023.`;
  return `Port ${port} (${name}) could not be opened: ${error.message}.`;
}

function sendText(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
