import type { Refusal } from "../ports.ts";

/** The gateway ends a stream: there is no money for more, or its key or user may not call any more. */
export class StreamEndedError extends Error {
  override readonly name = "StreamEndedError";
  constructor(readonly refusal: Refusal) {
    super(`The stream was ended: ${refusal.refused}.`);
  }
}
