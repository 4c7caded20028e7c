/** Unpacks a request's body, off the event loop and within what its user may take: what it unpacks to is what counts. */
import * as zlib from "node:zlib";
import type { Transform } from "node:stream";
import { BodyTooLargeError, type BodyLimits } from "../call.ts";
import { BodyError } from "./body-error.ts";
import { GatheredBytes } from "./gathered-bytes.ts";

/** Packed in a way that nobody here can unpack; the message says what can be. */
export class UnsupportedEncodingError extends Error {
  override readonly name = "UnsupportedEncodingError";
}

const options = { chunkSize: 64 * 1024 };

/** Node has zstd from 22.15 on. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };

const decoders: Readonly<Record<string, ((first: number) => Transform) | undefined>> = {
  gzip: () => zlib.createGunzip(options),
  "x-gzip": () => zlib.createGunzip(options),
  // Clients send the format of zlib and the bare one under the same name.
  deflate: (first) => ((first & 0x0f) === 8 ? zlib.createInflate(options) : zlib.createInflateRaw(options)),
  br: () => zlib.createBrotliDecompress(options),
  ...(createZstdDecompress ? { zstd: () => createZstdDecompress() } : {}),
};

const offered = Object.keys(decoders).filter((name) => name !== "x-gzip");

/** @throws UnsupportedEncodingError, BodyTooLargeError, BodyError where it is not packed that way, and what `admit` throws */
export async function unpackBody(
  packed: Uint8Array,
  encoding: string,
  { maxBytes, admit }: BodyLimits,
): Promise<Uint8Array> {
  const createDecoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (!createDecoder) {
    throw new UnsupportedEncodingError(`Send the body without a Content-Encoding, or as ${offered.join(", ")}.`);
  }
  const decoder = createDecoder(packed[0] ?? 0);
  const gathered = new GatheredBytes(0);
  decoder.end(packed);
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      if (gathered.length + chunk.length > maxBytes) throw new BodyTooLargeError();
      admit(chunk.length);
      gathered.push(chunk);
    }
  } catch (error) {
    if (/^(?:Z_|ERR_|ZSTD_)/.test((error as NodeJS.ErrnoException).code ?? "")) {
      throw new BodyError(`The body is not valid ${encoding}.`);
    }
    throw error;
  }
  return gathered.take();
}
