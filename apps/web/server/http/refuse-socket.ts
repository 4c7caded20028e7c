/** Refusals of what is no request, or does not become one in time, in OpenAI's shape. No connection lingers after one. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createRequestId, errorAnswer } from "@codex-gateway/gateway";

/** For the client to read why; one that has not hung up by then never will. */
const lingerMs = 1_500;
const tooSlow = "The request took too long to arrive.";

const refusals: Readonly<Record<string, [status: string, message: string] | undefined>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "The request's headers are too large."],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", tooSlow],
};

const refusalOf = (message: string) => errorAnswer("invalid_body", createRequestId(), { message });

const refused = new WeakSet<Socket>();

/** Tells whether the connection is about to end: what still comes in on it is of no interest. */
export const isRefused = (socket: Socket): boolean => refused.has(socket);

/** Answers what Node could not read, and ends the connection, whether or not the other end reads the answer. */
export function refuseSocket(socket: Socket, code: string | undefined): void {
  refused.add(socket);
  const [status, message] = refusals[code ?? ""] ?? ["400 Bad Request", "The request cannot be read."];
  const { headers, body } = refusalOf(message);
  const fields = { ...headers, "content-length": String(body.length), connection: "close" };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${Buffer.from(body).toString()}`);
  // Bytes that nobody reads would turn the end of the connection into a reset, which takes the answer along.
  socket.resume();
  const ending = setTimeout(() => socket.destroy(), lingerMs);
  ending.unref();
  socket.once("close", () => clearTimeout(ending));
}

/** Answers a request whose body does not arrive; the connection ends with it. */
export function refuseSlowRequest(res: ServerResponse): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { headers, body } = refusalOf(tooSlow);
  res.shouldKeepAlive = false;
  res.writeHead(408, { ...headers, "content-length": String(body.length) }).end(body);
}
