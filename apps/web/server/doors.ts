/**
 * The map of the product: which address leads where.
 *
 * PORT:      built files · /healthz · /readyz · all else → Remix, its /v1 resource route included
 * API_PORT:  /v1/* → gateway · /healthz · /readyz · /metrics
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import sirv from "sirv";
import { answerWithWebHandler, type WebHandler } from "./web-bridge.ts";

type Answer = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

export type Probes = {
  /** Whether a balancer should send anything here: the database answers, and no stop is under way. */
  isReady: () => Promise<boolean>;
};

export type PagesDoor = { pages: WebHandler; publicUrl: () => string; assetsFolder: string };
export type ApiDoor = {
  gateway: Answer;
  /** Null where nobody may read them. */
  metrics: Answer | null;
};

/** The listener of the pages' port. */
export function createPagesListener(door: PagesDoor, probes: Probes): RequestListener {
  // The names of built files carry a hash, so browsers may keep those under /assets for ever.
  const serveBuiltFile = sirv(door.assetsFolder, {
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
    if (answerProbe(req, res, probes)) return;
    serveBuiltFile(req, res, () => {
      answerWithWebHandler(req, res, new URL(door.publicUrl()).origin, door.pages).catch(() => {
        if (res.headersSent) res.destroy();
        else sendText(res, 500, "Internal server error");
      });
    });
  };
}

/** The listener of the API's port. */
export function createApiListener(door: ApiDoor, probes: Probes): RequestListener {
  return (req, res) => {
    if (answerProbe(req, res, probes)) return;
    const answer = req.url === "/metrics" && door.metrics ? door.metrics : door.gateway;
    answer(req, res).catch(() => res.destroy());
  };
}

/** Answers /healthz and /readyz; false for every other address. */
function answerProbe(req: IncomingMessage, res: ServerResponse, { isReady }: Probes): boolean {
  if (req.url === "/healthz") {
    sendText(res, 200, "ok");
    return true;
  }
  if (req.url !== "/readyz") return false;
  isReady().then(
    (ready) => sendText(res, ready ? 200 : 503, ready ? "ready" : "not ready"),
    () => sendText(res, 503, "not ready"),
  );
  return true;
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
