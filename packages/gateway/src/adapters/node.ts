/**
 * The door for Node's own server: backpressure, disconnects, heartbeats and stalled readers are handled here, once.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { BodyLimits, GatewayAnswer, GatewayCall } from "../call.ts";
import { errorAnswer } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import { cutSlowBodies, receiveBody, type Receiving } from "../transport/receive-body.ts";
import { createRequestId } from "../request-id.ts";

export type NodeDoor = { answer(req: IncomingMessage, res: ServerResponse): Promise<void>; close(): void };

const defaultStallMs = 60_000;
const defaultSweepMs = 5_000;

/** What no honest client sends is answered here; false for everything else. */
export function refuseBadHead(req: IncomingMessage, res: ServerResponse): boolean {
  const fault = faultOfHead(req);
  if (fault === null) return false;
  res.shouldKeepAlive = false;
  const requestId = createRequestId();
  if (fault === wantsWebSocket && req.url?.startsWith("/v1/")) send(res, errorAnswer("upgrade_required", requestId));
  else send(res, errorAnswer("invalid_body", requestId, { message: fault }));
  return true;
}

export type NodeDoorOptions = {
  /** A reader that takes nothing for so long is turned out. */
  stallMs?: number;
  /** How often stalled readers and heartbeats are looked after. */
  sweepMs?: number;
  /** Who a request comes from, where that is not the other end of its connection. */
  addressOf?: (req: IncomingMessage) => string;
};

type OpenStream = { res: ServerResponse; lastWriteAtMs: number; heartbeat: NonNullable<GatewayAnswer["heartbeat"]> };

const peerOf = (req: IncomingMessage): string => req.socket.remoteAddress ?? "";

export function createNodeDoor(
  gateway: Gateway,
  { stallMs = defaultStallMs, sweepMs = defaultSweepMs, addressOf = peerOf }: NodeDoorOptions = {},
): NodeDoor {
  const streams = new Set<OpenStream>();
  const receiving: Receiving = new Set();
  // One timer for all streams: a timer per chunk would cost more than the chunk.
  const sweep = setInterval(() => {
    const nowMs = Date.now();
    cutSlowBodies(receiving, nowMs);
    for (const stream of streams) {
      if (stream.res.writableNeedDrain) {
        if (nowMs - stream.lastWriteAtMs >= stallMs) stream.res.destroy();
        continue;
      }
      const beat = stream.heartbeat(nowMs);
      if (beat) stream.res.write(beat);
    }
  }, sweepMs);
  sweep.unref();

  async function sendStream(
    res: ServerResponse,
    body: AsyncGenerator<Uint8Array, void, void>,
    heartbeat: OpenStream["heartbeat"] = () => null,
  ) {
    const stream: OpenStream = { res, lastWriteAtMs: Date.now(), heartbeat };
    streams.add(stream);
    res.flushHeaders();
    try {
      for await (const chunk of body) {
        if (res.destroyed) break;
        stream.lastWriteAtMs = Date.now();
        if (!res.write(chunk)) await drained(res);
      }
      res.end();
    } catch {
      // The client must see a broken connection, not a clean end; what was written goes out first.
      if (res.socket && !res.destroyed) res.socket.destroySoon();
    } finally {
      streams.delete(stream);
    }
  }

  return {
    async answer(req, res) {
      if (refuseBadHead(req, res)) return;
      const answer = await gateway.handle(new NodeCall(req, res, addressOf(req), receiving));
      // What is left of a body that nobody read would be taken for the next request.
      if (!req.complete) res.shouldKeepAlive = false;
      if (answer.body instanceof Uint8Array) {
        // Who waits for leave to send a body does not send it.
        if (req.complete || req.headers.expect !== undefined) send(res, answer);
        else await sendAndLinger(req, res, answer);
        return;
      }
      res.writeHead(answer.status, answer.headers);
      await sendStream(res, answer.body, answer.heartbeat);
    },
    close: () => clearInterval(sweep),
  };
}

function send(res: ServerResponse, { status, headers, body }: GatewayAnswer): void {
  if (res.destroyed || !(body instanceof Uint8Array)) return;
  if (status !== 204 && status !== 304) headers["content-length"] = String(body.length);
  res.writeHead(status, headers);
  res.end(body);
}

/** So much of a refused body is still read, in so long a time. */
const lingerBytes = 128 * 1024 * 1024;
const lingerMs = 5_000;

/**
 * Answers while the request is still coming, and reads on for a while: many clients read an answer only once they have sent
 * everything, and a connection that is closed on unread bytes is reset, which takes the answer along.
 */
async function sendAndLinger(req: IncomingMessage, res: ServerResponse, answer: GatewayAnswer): Promise<void> {
  const { status, headers, body } = answer;
  if (res.destroyed || !(body instanceof Uint8Array)) return;
  headers["content-length"] = String(body.length);
  res.writeHead(status, headers);
  res.write(body);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, lingerMs);
    let bytes = 0;
    const finish = () => {
      clearTimeout(timer);
      resolve();
    };
    req.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > lingerBytes) finish();
    });
    req.once("end", finish).once("close", finish).once("error", finish);
    req.resume();
  });
  res.end();
}

/** A request of Node's own server. An AbortSignal costs more than most calls need: it is made for the first one who asks. */
class NodeCall implements GatewayCall {
  readonly method: string;
  readonly path: string;
  readonly headers: GatewayCall["headers"];
  readonly remoteAddress: string;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #receiving: Receiving;
  #controller: AbortController | null = null;
  #hasLeft = false;

  constructor(req: IncomingMessage, res: ServerResponse, remoteAddress: string, receiving: Receiving) {
    this.method = req.method ?? "GET";
    this.path = req.url ?? "/";
    this.headers = req.headers;
    this.remoteAddress = remoteAddress;
    this.#req = req;
    this.#res = res;
    this.#receiving = receiving;
    res.on("close", () => {
      if (res.writableFinished) return;
      this.#hasLeft = true;
      this.#controller?.abort();
    });
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#hasLeft) this.#controller.abort();
    return this.#controller.signal;
  }

  readBody(limits: BodyLimits): Promise<Uint8Array> {
    return receiveBody(this.#req, this.#res, limits, this.#receiving);
  }
}

const wantsWebSocket = "This address cannot be upgraded.";

/** What no honest client sends, and what two servers in a row could read differently. */
function faultOfHead(req: IncomingMessage): string | null {
  if (!req.url?.startsWith("/")) return "The request target must be a path.";
  // Any other protocol is an offer, such as HTTP/2, which may be ignored (RFC 9110, 7.8).
  if (/\bwebsocket\b/i.test(req.headers.upgrade ?? "")) return wantsWebSocket;
  let hosts = 0;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts > 1 ? "The request names two hosts." : null;
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      res.off("drain", finish);
      res.off("close", finish);
      resolve();
    };
    if (res.destroyed) resolve();
    else res.once("drain", finish).once("close", finish);
  });
}
