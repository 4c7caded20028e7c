/** Reads the body of a request from Node's own server, in no more memory than it has been admitted for. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { BodyTooLargeError, BodyTooSlowError, RequestCutError, type BodyLimits } from "../call.ts";
import { GatheredBytes } from "./gathered-bytes.ts";

/** After so long a body must have come at this pace at least; a slow line makes 32 KiB a second. */
const graceMs = 30_000;
const minBytesPerMs = 8;

/** Bodies that are on their way. */
export type Receiving = Set<ReceivingBody>;

/** One timer of the door's looks after all of them. */
export function cutSlowBodies(receiving: Receiving, nowMs: number): void {
  for (const body of receiving) if (body.isTooSlow(nowMs)) body.fail(new BodyTooSlowError());
}

/** Whether bytes that have come in so long a time are on their way in earnest. */
export const isTooSlow = (bytes: number, tookMs: number): boolean => tookMs > graceMs && bytes / tookMs < minBytesPerMs;

class ReceivingBody {
  readonly #startedAtMs: number;
  readonly #gathered: GatheredBytes;
  #fail: (error: Error) => void = () => undefined;

  constructor(nowMs: number, expectedBytes: number) {
    this.#startedAtMs = nowMs;
    this.#gathered = new GatheredBytes(expectedBytes);
  }

  isTooSlow(nowMs: number): boolean {
    return isTooSlow(this.#gathered.length, nowMs - this.#startedAtMs);
  }

  fail(error: Error): void {
    this.#fail(error);
  }

  read(req: IncomingMessage, { maxBytes, admit }: BodyLimits, isAdmitted: boolean): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const gathered = this.#gathered;
      this.#fail = (error) => {
        req.pause();
        // What has come so far is nobody's any more, however long the request stays open.
        gathered.take();
        reject(error);
      };
      let isOver = false;
      req.on("data", (chunk: Buffer) => {
        if (isOver) return;
        try {
          if (gathered.length + chunk.length > maxBytes) throw new BodyTooLargeError();
          if (!isAdmitted) admit(chunk.length);
          gathered.push(chunk);
        } catch (error) {
          isOver = true;
          this.#fail(error as Error);
        }
      });
      req.on("end", () => {
        if (!isOver) resolve(gathered.take());
        isOver = true;
      });
      req.on("error", () => reject(new RequestCutError()));
      req.on("close", () => {
        if (!req.complete) this.#fail(new RequestCutError());
      });
    });
  }
}

export async function receiveBody(
  req: IncomingMessage,
  res: ServerResponse,
  limits: BodyLimits,
  receiving: Receiving,
): Promise<Uint8Array> {
  const declared = req.headers["content-length"];
  const expectedBytes = Number(declared ?? 0);
  if (expectedBytes > limits.maxBytes) throw new BodyTooLargeError();
  // It broke off while its key was looked up: what tells of that has been told.
  if (req.destroyed && !req.complete) throw new RequestCutError();
  if (declared !== undefined) limits.admit(expectedBytes);
  if (req.headers.expect !== undefined) res.writeContinue();
  const body = new ReceivingBody(Date.now(), expectedBytes);
  receiving.add(body);
  try {
    return await body.read(req, limits, declared !== undefined);
  } finally {
    receiving.delete(body);
  }
}
