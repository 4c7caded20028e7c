/** The door for `Request → Response` handlers: the Remix resource route, and the official SDK in process. */
import { BodyTooLargeError } from "./call.ts";
import type { Gateway } from "./handle.ts";

export type WebDoor = (
  request: Request,
  client: { remoteAddress: string; closeSignal: AbortSignal },
) => Promise<Response>;

/** `closeSignal` is the close of the client's own connection: a signal derived from the request gets lost. */
export function createWebDoor(gateway: Gateway): WebDoor {
  return async (request, { remoteAddress, closeSignal }) => {
    const { pathname, search } = new URL(request.url);
    const answer = await gateway.handle({
      method: request.method,
      path: pathname + search,
      headers: Object.fromEntries(request.headers),
      readBody: (maxBytes) => readBody(request, maxBytes),
      signal: closeSignal,
      remoteAddress,
    });
    const { status, headers, body } = answer;
    const isBytes = body instanceof Uint8Array;
    return new Response(isBytes ? Buffer.from(body) : toStream(body), { status, headers });
  };
}

function toStream(body: AsyncGenerator<Uint8Array, void, void>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await body.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
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
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) throw new BodyTooLargeError();
    chunks.push(value);
  }
  return Buffer.concat(chunks, length);
}
