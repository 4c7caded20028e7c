/** The door for `Request → Response` handlers: the Remix resource route, and the official SDK in process. */
import { BodyTooLargeError, RequestCutError, type GatewayAnswer } from "./call.ts";
import type { Gateway } from "./handle.ts";

export type WebDoor = (
  request: Request,
  client: { remoteAddress: string; closeSignal: AbortSignal },
) => Promise<Response>;

/** `closeSignal` is the close of the client's own connection: a signal derived from the request gets lost. */
export function createWebDoor(gateway: Gateway, { sweepMs = 5_000 } = {}): WebDoor {
  return async (request, { remoteAddress, closeSignal }) => {
    const { pathname, search } = new URL(request.url);
    // Whoever gives the answer's body back has left as well, whether or not a connection has closed.
    const left = new AbortController();
    const leave = () => left.abort();
    if (closeSignal.aborted) leave();
    else closeSignal.addEventListener("abort", leave, { once: true });
    const answer = await gateway.handle({
      method: request.method,
      path: pathname + search,
      headers: Object.fromEntries(request.headers),
      readBody: (maxBytes) => readBody(request, maxBytes),
      signal: left.signal,
      remoteAddress,
    });
    const { status, headers, body, heartbeat } = answer;
    const isBytes = body instanceof Uint8Array;
    return new Response(isBytes ? Buffer.from(body) : toStream(body, { sweepMs, heartbeat, leave }), {
      status,
      headers,
    });
  };
}

function toStream(
  body: AsyncGenerator<Uint8Array, void, void>,
  { sweepMs, heartbeat, leave }: { sweepMs: number; heartbeat: GatewayAnswer["heartbeat"]; leave: () => void },
): ReadableStream<Uint8Array> {
  let sweep: NodeJS.Timeout | undefined;
  return new ReadableStream({
    start(controller) {
      if (!heartbeat) return;
      sweep = setInterval(() => {
        // Only a reader that waits gets one: nothing may pile up.
        const beat = (controller.desiredSize ?? 0) > 0 ? heartbeat(Date.now()) : null;
        if (beat) controller.enqueue(beat);
      }, sweepMs);
      sweep.unref();
    },
    async pull(controller) {
      try {
        const { done, value } = await body.next();
        if (!done) {
          controller.enqueue(value);
          return;
        }
      } catch (error) {
        clearInterval(sweep);
        throw error;
      }
      clearInterval(sweep);
      controller.close();
    },
    async cancel() {
      clearInterval(sweep);
      leave();
      await body.return();
    },
  });
}

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw new BodyTooLargeError();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  while (reader) {
    const { done, value } = await reader.read().catch(() => {
      throw new RequestCutError();
    });
    if (done) break;
    length += value.length;
    if (length > maxBytes) throw new BodyTooLargeError();
    chunks.push(value);
  }
  return Buffer.concat(chunks, length);
}
