/** How a stream ends that the gateway itself ends: in the shape that clients read, never as if it were whole. */
import { errorTable } from "../errors.ts";
import type { Refusal } from "../ports.ts";

/** The gateway ends a stream: there is no money for more, or its key or user may not call any more. */
export class StreamEndedError extends Error {
  override readonly name = "StreamEndedError";
  constructor(readonly refusal: Refusal) {
    super(`The stream was ended: ${refusal.refused}.`);
  }
}

type Response = { id: string | null; model: string | null };

/**
 * The last events. Chat completions get an error object, as OpenAI sends it; responses get `response.failed`, which Codex
 * reads, and then `error`, which the SDKs raise.
 */
export function endEvents(isResponses: boolean, { refused, message }: Refusal, response: Response): Uint8Array {
  const row = errorTable[refused];
  const error = { message: message ?? row.message, type: row.type, code: row.code ?? refused, param: null };
  if (!isResponses) return Buffer.from(`data: ${JSON.stringify({ error })}\n\n`);
  const failed = {
    type: "response.failed",
    response: {
      id: response.id ?? "",
      object: "response",
      status: "failed",
      model: response.model ?? "",
      output: [],
      error: { code: error.code, message: error.message },
      incomplete_details: null,
      usage: null,
    },
  };
  return Buffer.from(
    `event: response.failed\ndata: ${JSON.stringify(failed)}\n\n` +
      `event: error\ndata: ${JSON.stringify({ ...error, type: "error" })}\n\n`,
  );
}
