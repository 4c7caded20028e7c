/** The door for `Request → Response` handlers: the Remix resource route, and the official SDK in process. */
import { BodyTooLargeError, BodyTooSlowError, RequestCutError, type BodyLimits, type GatewayAnswer } from "../call.ts";
import { GatheredBytes } from "../transport/gathered-bytes.ts";
import type { Gateway } from "../gateway.ts";
import { isTooSlow } from "../transport/receive-body.ts";

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
      readBody: (limits) => readBody(request, limits),
      signal: left.signal,
      remoteAddress,
    });
    const { status, headers, body, heartbeat } = answer;
    // A 304 may have no body, not even an empty one.
    if (body instanceof Uint8Array)
      return new Response(body.length === 0 ? null : Buffer.from(body), { status, headers });
    const stream = toStream(body, { sweepMs, heartbeat, leave });
    endWithClient(body, closeSignal);
    return new Response(stream, { status, headers });
  };
}

/** Whoever handed the request on may have dropped the answer when its client left: then nobody reads it, or gives it back. */
function endWithClient(body: AsyncGenerator<Uint8Array, void, void>, closeSignal: AbortSignal): void {
  const end = () => {
    giveBack(body).catch(() => undefined);
  };
  if (closeSignal.aborted) end();
  else closeSignal.addEventListener("abort", end, { once: true });
}

/** Its end settles the call, if it has begun: a generator that nobody has asked for anything ends without a step. */
async function giveBack(body: AsyncGenerator<Uint8Array, void, void>): Promise<void> {
  await body.next();
  await body.return();
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
      // Whether it could be settled is known, and logged, where it was tried.
      await giveBack(body).catch(() => undefined);
    },
  });
}

const lookEveryMs = 5_000;

async function readBody(request: Request, { maxBytes, admit }: BodyLimits): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  const expectedBytes = Number(declared ?? 0);
  if (expectedBytes > maxBytes) throw new BodyTooLargeError();
  if (declared !== null) admit(expectedBytes);
  const gathered = new GatheredBytes(expectedBytes);
  const reader = request.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  if (!reader) return gathered.take();
  const startedAtMs = Date.now();
  const cut = { isDue: false };
  const watch = setInterval(() => {
    if (!isTooSlow(gathered.length, Date.now() - startedAtMs)) return;
    cut.isDue = true;
    // A read that waits ends with that.
    reader.cancel().catch(() => undefined);
  }, lookEveryMs).unref();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new RequestCutError();
      });
      if (cut.isDue) throw new BodyTooSlowError();
      if (done) return gathered.take();
      if (gathered.length + value.length > maxBytes) throw new BodyTooLargeError();
      if (declared === null) admit(value.length);
      gathered.push(value);
    }
  } finally {
    clearInterval(watch);
  }
}
