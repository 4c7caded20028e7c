import { Transform } from "node:stream";
import { createReadableStreamFromReadable, type AppLoadContext, type EntryContext } from "@remix-run/node";
import { RemixServer } from "@remix-run/react";
import { renderToPipeableStream } from "react-dom/server";
import { NonceContext } from "./nonce";

/** Renders the whole page before the first byte: pages are small, and a broken one then gets its true status. */
export default function handleRequest(
  request: Request,
  status: number,
  headers: Headers,
  remixContext: EntryContext,
  { nonce }: AppLoadContext,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { pipe } = renderToPipeableStream(
      <NonceContext.Provider value={nonce}>
        <RemixServer context={remixContext} url={request.url} nonce={nonce} />
      </NonceContext.Provider>,
      {
        nonce,
        onAllReady() {
          const body = withoutZeros();
          headers.set("content-type", "text/html; charset=utf-8");
          resolve(new Response(createReadableStreamFromReadable(body), { headers, status }));
          pipe(body);
        },
        onShellError: reject,
      },
    );
  });
}

/**
 * React 18 sends its buffer whole where a character of several bytes no longer fits: what it left free are zero bytes in
 * the middle of the page (facebook/react#24985), which a browser shows as U+FFFD in attributes and text areas.
 */
const withoutZeros = () =>
  new Transform({
    transform: (piece: Buffer, _encoding, done) =>
      done(null, piece.includes(0) ? piece.filter((byte) => byte !== 0) : piece),
  });
