/**
 * Unpacks an answer that came compressed although `identity` was asked for. As much is unpacked as is read: a stopped
 * reader stops the decoder, and the decoder the connection.
 */
import type { Dispatcher } from "undici";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  type BrotliDecompress,
  type Gunzip,
  type Inflate,
  type InflateRaw,
} from "node:zlib";
import type { Redactor } from "./redact.ts";
import { UpstreamBody } from "./upstream-body.ts";

/** Packed in a way that nobody here can unpack. */
class UnknownEncodingError extends Error {
  override readonly name = "UnknownEncodingError";
  readonly code = "UNKNOWN_ENCODING";
}

export type AnswerSink = { body: UpstreamBody; push(chunk: Buffer): void; end(fault?: Error): void };

type Decoder = Gunzip | Inflate | InflateRaw | BrotliDecompress;
type Control = Pick<Dispatcher.DispatchController, "pause" | "resume" | "abort" | "paused" | "aborted">;

const zlibFlush = { flush: constants.Z_SYNC_FLUSH };

/** Null for what is not packed. */
export function encodingOf(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  const encodings = [header].flat().join(",").toLowerCase().split(",");
  const packed = encodings.map((each) => each.trim()).filter((each) => each !== "" && each !== "identity");
  return packed.length === 0 ? null : packed.join(",");
}

/** By the first byte: servers send both the format of zlib and the bare one under the same name. */
const createDeflateDecoder = (first: number): Decoder =>
  (first & 0x0f) === 8 ? createInflate(zlibFlush) : createInflateRaw(zlibFlush);

const decoders: Readonly<Record<string, ((first: number) => Decoder) | undefined>> = {
  gzip: () => createGunzip(zlibFlush),
  "x-gzip": () => createGunzip(zlibFlush),
  deflate: createDeflateDecoder,
  br: () => createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
};

export function decodeAnswer(connection: Control, encoding: string, { open: openRedactor }: Redactor): AnswerSink {
  const createDecoder = decoders[encoding];
  let decoder: Decoder | null = null;
  const controller = {
    get paused() {
      return decoder?.isPaused() ?? connection.paused;
    },
    get aborted() {
      return connection.aborted;
    },
    pause: () => decoder?.pause(),
    resume: () => decoder?.resume(),
    abort: (reason: Error) => {
      decoder?.destroy();
      connection.abort(reason);
    },
  };
  const body = new UpstreamBody(controller, openRedactor?.());

  function open(first: number): Decoder {
    if (!createDecoder) throw new UnknownEncodingError(`The answer is packed as ${encoding.slice(0, 50)}.`);
    const opened = createDecoder(first);
    opened.on("data", (chunk: Buffer) => body.push(chunk));
    opened.on("end", () => body.end());
    opened.on("error", (error) => body.end(error));
    opened.on("drain", () => connection.resume());
    return opened;
  }

  return {
    body,
    push: (chunk) => {
      if (decoder?.destroyed) return;
      try {
        decoder ??= open(chunk[0] ?? 0);
      } catch (error) {
        body.end(error as Error);
        connection.abort(error as Error);
        return;
      }
      if (!decoder.write(chunk)) connection.pause();
    },
    end: (fault) => {
      if (fault) {
        decoder?.destroy();
        body.end(fault);
      } else if (decoder) decoder.end();
      else body.end();
    },
  };
}
