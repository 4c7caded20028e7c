/**
 * Keeps the connections of a server within their budget, so that no stranger can take all of them, and none outlives what
 * it is for.
 *
 * - An address may have `maxPerAddress` of them, and never more than a quarter of what is free: the fuller it gets, the
 *   less one address may have. Of 10,000, twelve greedy addresses get 7,500 together, a hundred 9,600, and one that has
 *   none yet is always let in. Trusted proxies, behind which there are many clients, are not counted.
 * - When all are taken, the one that has been without a request for longest gives way.
 * - A body that does not arrive, and an answer that is not read, end their connection.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { networkOf } from "@codex-gateway/domain";
import { refuseSlowRequest } from "./refuse-socket.ts";

export type ConnectionLimits = { maxConnections: number; maxPerAddress: number };
export const defaultConnectionLimits: ConnectionLimits = { maxConnections: 10_000, maxPerAddress: 1_000 };

export type Connections = {
  /** Notes that a request has come in; false where its connection was ended, and nothing is to be done for it. */
  watch(req: IncomingMessage, res: ServerResponse): boolean;
  /** Whether bytes that are written to the socket now would be read as the answer to what came last. */
  mayAnswer(socket: Socket): boolean;
  count(): number;
  /** Ends those without a request in flight, whatever they wait for. */
  closeIdle(): void;
  closeAll(): void;
};

type Exchange = { req: IncomingMessage; res: ServerResponse; startedAtMs: number };
type Connection = {
  socket: Socket;
  /** Those whose answer is not out yet; of pipelined requests there are several. */
  open: Exchange[];
  received: Progress;
  sent: Progress;
};
/** Since when a number has not moved. */
type Progress = { mark: string; sinceMs: number };

export type ConnectionTimes = {
  sweepMs: number;
  /** A body may pause for so long, and arrives after that time at a kilobyte a second or more. */
  bodyPauseMs: number;
  /** A reader that takes nothing for so long is turned out. */
  readerPauseMs: number;
  /** Longer than any call lasts: whoever still waits then waits for nothing. */
  maxExchangeMs: () => number;
};
const dayMs = 86_400_000;
export const defaultConnectionTimes: ConnectionTimes = {
  sweepMs: 1_000,
  bodyPauseMs: 15_000,
  readerPauseMs: 60_000,
  maxExchangeMs: () => dayMs,
};

const bodyBytesPerMs = 1.024;
const shareOfFree = 4;
/** Requests of one connection at a time: no honest client sends one before the last is answered. */
const maxPipelined = 16;

/** Returns how many connections one address may have where so many are open. */
export function shareOfAddress(openCount: number, { maxConnections, maxPerAddress }: ConnectionLimits): number {
  const free = Math.max(0, maxConnections - openCount);
  return Math.max(1, Math.min(maxPerAddress, Math.floor(free / shareOfFree)));
}

export type ConnectionOptions = {
  limits: ConnectionLimits;
  isProxy: (address: string) => boolean;
  times?: ConnectionTimes;
};

export function limitConnections(server: Server, options: ConnectionOptions): Connections {
  const { limits, isProxy, times = defaultConnectionTimes } = options;
  const connections = new Map<Socket, Connection>();
  /** Without a request in flight; the one that has been so for longest comes first. */
  const idle = new Set<Connection>();
  const countOfAddress = new Map<string, number>();

  function admit(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    const group = isProxy(address) ? null : networkOf(address).network;
    const isGreedy = group !== null && (countOfAddress.get(group) ?? 0) >= shareOfAddress(connections.size, limits);
    if (isGreedy || (connections.size >= limits.maxConnections && !evictIdle())) {
      socket.destroy();
      return;
    }
    const connection: Connection = { socket, open: [], received: unknownProgress, sent: unknownProgress };
    connections.set(socket, connection);
    idle.add(connection);
    if (group !== null) countOfAddress.set(group, (countOfAddress.get(group) ?? 0) + 1);
    socket.once("close", () => {
      forget(connection);
      if (group !== null) releaseAddress(group);
    });
  }

  function forget(connection: Connection): void {
    connections.delete(connection.socket);
    idle.delete(connection);
  }

  function releaseAddress(group: string): void {
    const left = (countOfAddress.get(group) ?? 1) - 1;
    if (left > 0) countOfAddress.set(group, left);
    else countOfAddress.delete(group);
  }

  function evictIdle(): boolean {
    const [longest] = idle;
    if (!longest) return false;
    forget(longest);
    longest.socket.destroy();
    return true;
  }

  function watch(req: IncomingMessage, res: ServerResponse): boolean {
    const connection = connections.get(req.socket);
    if (!connection || connection.open.length >= maxPipelined) {
      req.socket.destroy();
      return false;
    }
    const exchange = { req, res, startedAtMs: Date.now() };
    connection.open.push(exchange);
    connection.received = connection.sent = unknownProgress;
    idle.delete(connection);
    res.once("close", () => {
      connection.open.splice(connection.open.indexOf(exchange), 1);
      if (connection.open.length === 0 && connections.has(connection.socket)) idle.add(connection);
    });
    return true;
  }

  function sweep(): void {
    const atMs = Date.now();
    for (const connection of connections.values()) {
      if (connection.open.length === 0) continue;
      const isForgotten = connection.open.some(({ startedAtMs }) => atMs - startedAtMs > times.maxExchangeMs());
      if (isForgotten || readerPausedMs(connection, atMs) >= times.readerPauseMs) connection.socket.destroy();
      else endSlowBody(connection, atMs, times);
    }
  }

  server.on("connection", admit);
  const sweeping = setInterval(sweep, times.sweepMs);
  sweeping.unref();
  server.once("close", () => clearInterval(sweeping));

  return {
    watch,
    mayAnswer: (socket) => {
      const [exchange, ...more] = connections.get(socket)?.open ?? [];
      return socket.writable && more.length === 0 && !exchange?.res.headersSent;
    },
    count: () => connections.size,
    closeIdle: () => {
      for (const { socket } of idle) socket.destroy();
    },
    closeAll: () => {
      for (const socket of connections.keys()) socket.destroy();
    },
  };
}

const unknownProgress: Progress = { mark: "", sinceMs: 0 };

function follow(progress: Progress, mark: string, atMs: number): Progress {
  return progress.mark === mark ? progress : { mark, sinceMs: atMs };
}

/** Returns for how long the system has taken nothing of what waits to be sent. */
function readerPausedMs(connection: Connection, atMs: number): number {
  const { socket } = connection;
  if (socket.writableLength === 0) {
    connection.sent = unknownProgress;
    return 0;
  }
  // The handle tells how much of a large piece is still to go; the stream counts whole pieces.
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null };
  const mark = `${socket.bytesWritten - socket.writableLength} ${handle?.writeQueueSize ?? 0}`;
  connection.sent = follow(connection.sent, mark, atMs);
  return atMs - connection.sent.sinceMs;
}

type BodyStart = { atMs: number; bytes: number };
const bodyStarts = new WeakMap<IncomingMessage, BodyStart>();

function endSlowBody(connection: Connection, atMs: number, { bodyPauseMs }: ConnectionTimes): void {
  const { socket, open } = connection;
  const last = open.at(-1);
  if (!last || last.req.complete || last.req.destroyed) return;
  const start = bodyStarts.get(last.req);
  if (!start) {
    bodyStarts.set(last.req, { atMs, bytes: socket.bytesRead });
    connection.received = { mark: String(socket.bytesRead), sinceMs: atMs };
    return;
  }
  // What has come and is not taken yet, or was not asked for, is no fault of the client's.
  if (last.req.readableLength > 0 || isWaitingForLeave(last)) {
    connection.received = { mark: "", sinceMs: atMs };
    return;
  }
  connection.received = follow(connection.received, String(socket.bytesRead), atMs);
  const tookMs = atMs - start.atMs;
  const isPausing = atMs - connection.received.sinceMs >= bodyPauseMs;
  const isDripping = (tookMs - bodyPauseMs) * bodyBytesPerMs > socket.bytesRead - start.bytes;
  if (isPausing || isDripping) refuseSlowRequest(last.res);
}

/** `Expect: 100-continue`: the client sends nothing before it is told to, or tired of waiting. */
function isWaitingForLeave({ req, res }: Exchange): boolean {
  const { _sent100: wasToldTo } = res as unknown as { _sent100?: boolean };
  return req.headers.expect !== undefined && !wasToldTo;
}
