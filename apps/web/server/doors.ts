/**
 * The map of the product: which address leads where.
 *
 * PORT:      built files · /healthz · /readyz · all else → Remix, its /v1 resource route included
 * API_PORT:  /v1/* → gateway · /healthz · /readyz · /metrics
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { plainAddress } from "@codex-gateway/domain";
import { errorAnswer, createRequestId, refuseBadHead } from "@codex-gateway/gateway";
import type { ClientAddress } from "./client-address.ts";
import type { PageSource } from "./page-source.ts";
import { answerWithWebHandler, type WebHandler } from "./web-bridge.ts";

type Answer = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

export type Probes = {
  /** Whether a balancer should send anything here: the database answers, and no stop is under way. */
  isReady: () => Promise<boolean>;
};

export type PagesDoor = {
  pages: WebHandler;
  clients: ClientAddress;
  publicUrl: () => string;
  serveFile: PageSource["serveFile"];
};
export type ApiDoor = {
  gateway: Answer;
  /** Null where nobody may read them. */
  metrics: Answer | null;
};

/** The listener of the pages' port. */
export function createPagesListener(door: PagesDoor, probes: Probes): RequestListener {
  return (req, res) => {
    if (refuseBadHead(req, res)) return;
    if (req.method === "TRACE") {
      sendText(res, 405, "Method not allowed");
      return;
    }
    if (answerProbe(req, res, probes)) return;
    door.serveFile(req, res, () => {
      const client = { address: door.clients.of(req), host: door.clients.hostOf(req) };
      answerWithWebHandler(req, res, { ...client, origin: new URL(door.publicUrl()).origin }, door.pages).catch(() => {
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

export type ListenOptions = {
  port: number;
  host: string;
  /** Of the variable that says the port. */
  name: string;
  clients: Pick<ClientAddress, "isProxy">;
  maxConnections?: number;
  /** From one address; proxies, behind which there are many clients, may have more. */
  maxPerAddress?: number;
};

/**
 * Listens with the limits of design: 10 s for the headers, 5 min for the whole request, 65 s of keep-alive, and no more
 * connections than it can serve. @throws Error with one sentence where the port is taken or not allowed.
 */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<Server> {
  const { port, host, name, clients, maxConnections = 10_000, maxPerAddress = 1_000 } = options;
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 300_000, keepAliveTimeout: 65_000, connectionsCheckingInterval: 2_000 },
    listener,
  );
  server.maxConnections = maxConnections;
  capPerAddress(server, clients, maxPerAddress);
  // The gateway answers `Expect: 100-continue` itself, after it has seen the key and the size.
  server.on("checkContinue", listener);
  server.on("clientError", answerClientError);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(new Error(listenFault(error, port, name))));
    server.listen(port, host, resolve);
  });
  return server;
}

function capPerAddress(server: Server, { isProxy }: ListenOptions["clients"], maxPerAddress: number): void {
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? "");
    if (isProxy(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    if (count > maxPerAddress) {
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
}

/** What cannot be read as a request is told so in OpenAI's shape, unless an answer may be on its way already. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0 || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, message] = clientErrors[error.code ?? ""] ?? ["400 Bad Request", "The request cannot be read."];
  const { headers, body } = errorAnswer("invalid_body", createRequestId(), { message });
  const lines = Object.entries({ ...headers, "content-length": String(body.length), connection: "close" });
  socket.end(
    `HTTP/1.1 ${status}\r\n${lines.map(([key, value]) => `${key}: ${value}\r\n`).join("")}\r\n${Buffer.from(body).toString()}`,
  );
}

const clientErrors: Readonly<Record<string, [status: string, message: string] | undefined>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "The request's headers are too large."],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "The request took too long to arrive."],
};

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function listenFault(error: NodeJS.ErrnoException, port: number, name: string): string {
  if (error.code === "EADDRINUSE") return `Port ${port} is taken by another program; set ${name} to a free one.`;
  if (error.code === "EACCES") return `Port ${port} may not be opened by this user; set ${name} to one above 1023.`;
  return `Port ${port} (${name}) could not be opened: ${error.message}.`;
}

function sendText(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
