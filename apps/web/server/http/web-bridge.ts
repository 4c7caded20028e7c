/**
 * Carries one HTTP exchange between Node's server and a `Request → Response` handler.
 *
 * Two things must hold that common adapters lose: a client's disconnect reaches the handler even after a garbage
 * collection, so the controller is kept alive by the response's own listener; and a client that stops reading stops
 * the reading of the body, so that nothing piles up in memory. One that takes nothing for a minute is turned out.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

type WebExchange = { request: Request; client: WebClient; closeSignal: AbortSignal };
/** `host` is what the client asked for, by TLS or not, and `origin` what the handler's URLs begin with. */
export type WebClient = { address: string; host: string; isHttps: boolean; origin: string };
export type WebHandler = (exchange: WebExchange) => Promise<Response>;

const defaultStallMs = 60_000;
const lingerMs = 2_000;
const lingerBytes = 32 * 1024 * 1024;

/** Answers `req` with what `handler` returns; rejects only where the handler does. */
export async function answerWithWebHandler(
  req: IncomingMessage,
  res: ServerResponse,
  client: WebClient,
  handler: WebHandler,
  { stallMs = defaultStallMs } = {},
): Promise<void> {
  const closed = new AbortController();
  res.once("close", () => closed.abort());
  const response = await handler({
    request: toRequest(req, res, client.origin, closed.signal),
    client,
    closeSignal: closed.signal,
  });
  // What is left of a body that nobody read would be taken for the next request.
  if (!req.complete) res.shouldKeepAlive = false;
  await sendResponse(res, response, closed.signal, stallMs);
}

function toRequest(req: IncomingMessage, res: ServerResponse, origin: string, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) {
    headers.append(req.rawHeaders[i] ?? "", req.rawHeaders[i + 1] ?? "");
  }
  const method = req.method ?? "GET";
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(origin + (req.url ?? "/"), {
    method,
    headers,
    signal,
    ...(hasBody ? { body: bodyOf(req, res), duplex: "half" } : {}),
  });
}

/** A client that waits for leave to send its body sends nothing without it. */
async function lingerWhereDue(res: ServerResponse, closed: AbortSignal): Promise<void> {
  const { req } = res;
  if (!req.complete && req.headers.expect === undefined && !closed.aborted) await linger(req, closed);
}

/** Nothing is read before it is asked for, and only then is a client that waits for leave told to send its body. */
function bodyOf(req: IncomingMessage, res: ServerResponse): ReadableStream<Uint8Array> {
  /** Ends the wait of a `pull`. */
  let arrived: () => void = () => undefined;
  let isBegun = false;
  return new ReadableStream(
    {
      start(controller) {
        const finish = (act: () => void) => () => {
          req.off("data", take).off("end", end).off("close", cut).off("error", cut);
          act();
          arrived();
        };
        const take = (chunk: Buffer) => {
          req.pause();
          controller.enqueue(chunk);
          arrived();
        };
        const end = finish(() => controller.close());
        const cut = finish(() => controller.error(new Error("The request broke off.")));
        req.on("end", end).on("close", cut).on("error", cut).on("data", take).pause();
      },
      pull() {
        if (!isBegun && req.headers.expect !== undefined) res.writeContinue();
        isBegun = true;
        return new Promise((resolve) => {
          arrived = resolve;
          req.resume();
        });
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Takes what a client still sends after its answer, for a while, and drops it: closed at once, the connection would be
 * reset, and the client might lose the answer that tells it why.
 */
function linger(req: IncomingMessage, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let leftBytes = lingerBytes;
    const finish = () => {
      clearTimeout(timer);
      req.off("data", drop).off("end", finish).off("close", finish);
      closed.removeEventListener("abort", finish);
      resolve();
    };
    const drop = (chunk: Buffer) => {
      leftBytes -= chunk.length;
      if (leftBytes < 0) finish();
    };
    const timer = setTimeout(finish, lingerMs);
    closed.addEventListener("abort", finish, { once: true });
    req.removeAllListeners("data").on("data", drop).on("end", finish).on("close", finish).resume();
  });
}

async function sendResponse(
  res: ServerResponse,
  response: Response,
  closed: AbortSignal,
  stallMs: number,
): Promise<void> {
  res.statusCode = response.status;
  for (const [name, value] of response.headers) if (name !== "set-cookie") res.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) res.setHeader("set-cookie", cookies);
  if (!response.body || res.req.method === "HEAD") {
    await response.body?.cancel();
    res.flushHeaders();
    await lingerWhereDue(res, closed);
    res.end();
    return;
  }
  const reader = response.body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  if (closed.aborted) {
    cancel();
    return;
  }
  closed.addEventListener("abort", cancel, { once: true });
  res.flushHeaders();
  try {
    await pump(reader, res, closed, stallMs);
    await lingerWhereDue(res, closed);
    res.end();
  } catch {
    // The handler's stream broke: the client must see a broken connection, not a clean end.
    res.destroy();
  }
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  res: ServerResponse,
  closed: AbortSignal,
  stallMs: number,
) {
  for (;;) {
    const { done, value } = await reader.read();
    if (done || closed.aborted) return;
    if (!res.write(value)) await drained(res, closed, stallMs);
  }
}

function drained(res: ServerResponse, closed: AbortSignal, stallMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => res.destroy(), stallMs);
    const finish = () => {
      clearTimeout(stalled);
      res.off("drain", finish);
      closed.removeEventListener("abort", finish);
      resolve();
    };
    if (closed.aborted) {
      finish();
      return;
    }
    res.once("drain", finish);
    closed.addEventListener("abort", finish, { once: true });
  });
}
