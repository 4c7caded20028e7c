/** One exchange between a client and the gateway, in the shape that both doors share. */

export type GatewayCall = {
  method: string;
  /** Path and query, e.g. `/v1/models?limit=2`. */
  path: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /**
   * Reads the whole body. @throws BodyTooLargeError above `maxBytes`, RequestCutError where the client has left,
   * BodyTooSlowError where it keeps the body back, and whatever `admit` throws
   */
  readBody(limits: BodyLimits): Promise<Uint8Array>;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
  remoteAddress: string;
};

export type BodyLimits = {
  maxBytes: number;
  /** Told of bytes before they are kept: of all of them where the body's length is declared, else as they come. */
  admit: (bytes: number) => void;
};

export type GatewayAnswer = {
  status: number;
  headers: Record<string, string>;
  /**
   * A stream must be read to its end, or given back with `return()`, in either case after a first `next()`: its charge is
   * written there. Where it throws, the connection must be broken off, not ended.
   */
  body: Uint8Array | AsyncGenerator<Uint8Array, void, void>;
  /** Of a stream: what a door is to send at this time because nothing else was sent; null: nothing is due. */
  heartbeat?: (nowMs: number) => Uint8Array | null;
  /** Why the gateway itself refused or gave up, as in `errorTable`. */
  errorCode?: string;
};

export class RequestCutError extends Error {
  override readonly name = "RequestCutError";
  constructor() {
    super("The client left before its request was complete.");
  }
}

export class BodyTooSlowError extends Error {
  override readonly name = "BodyTooSlowError";
}

export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}
