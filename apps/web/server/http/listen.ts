/** Opens a port, with the limits that keep what stands behind it within its means. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import type { Log } from "@codex-gateway/gateway";
import type { ClientAddress } from "./client-address.ts";
import {
  defaultConnectionLimits,
  defaultConnectionTimes,
  limitConnections,
  type ConnectionLimits,
  type Connections,
  type ConnectionTimes,
} from "./connections.ts";
import { isRefused, refuseSocket } from "./refuse-socket.ts";

export type ListenOptions = Partial<ConnectionLimits> & {
  port: number;
  host: string;
  /** Of the variable that says the port. */
  name: string;
  clients: Pick<ClientAddress, "isProxy">;
  log: Log;
  times?: Partial<ListenTimes>;
};

type ListenTimes = ConnectionTimes & { headersMs: number };
const defaultTimes: ListenTimes = { ...defaultConnectionTimes, headersMs: 10_000 };

export type Listening = {
  server: Server;
  connections: Connections;
  /** Further handles of its socket, which accept for it. */
  more: Set<NetServer>;
};

/**
 * Listens with the limits of design: 10 s for the headers, 5 min for the whole request, 65 s of keep-alive, and no more
 * connections than it can serve. @throws Error with one sentence where the port is taken or not allowed.
 */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<Listening> {
  const { port, host, name, clients, log, times: given, ...limits } = options;
  const times = { ...defaultTimes, ...given };
  const server = createServer({
    headersTimeout: times.headersMs,
    requestTimeout: 300_000,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: times.sweepMs,
  });
  const connections = limitConnections(server, {
    limits: { ...defaultConnectionLimits, ...limits },
    isProxy: (address) => clients.isProxy(address),
    times,
  });
  const watched: RequestListener = (req, res) => {
    if (connections.watch(req, res)) listener(req, res);
  };
  server.on("request", watched);
  // The gateway answers `Expect: 100-continue` itself, after it has seen the key and the size.
  server.on("checkContinue", watched);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (isRefused(socket)) return;
    if (error.code === "ECONNRESET" || !connections.mayAnswer(socket)) socket.destroy();
    else refuseSocket(socket, error.code);
  });
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(new Error(listenFault(error, port, name)));
    server.once("error", refuse);
    server.listen(port, host, () => {
      server.off("error", refuse);
      resolve();
    });
  });
  // A connection that cannot be taken, for want of a descriptor, is no reason to give up the port.
  server.on("error", ({ code }: NodeJS.ErrnoException) => log("error", "connection_not_taken", { name, code }));
  return { server, connections, more: new Set() };
}

export const portOf = ({ server }: Pick<Listening, "server">): number => (server.address() as AddressInfo).port;

function listenFault(error: NodeJS.ErrnoException, port: number, name: string): string {
  if (error.code === "EADDRINUSE") return `Port ${port} is taken by another program; set ${name} to a free one.`;
  if (error.code === "EACCES") return `Port ${port} may not be opened by this user; set ${name} to one above 1023.`;
  return `Port ${port} (${name}) could not be opened: ${error.message}.`;
}
