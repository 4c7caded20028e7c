/**
 * The end of a stream that broke off, in the shapes that clients raise as an error: the connection is broken off behind
 * it, never ended as if whole. Codex hears `response.failed` alone, the SDKs `error`; on chat it is an object with `error`.
 */
import { isObject } from "../metering/answer-facts.ts";
import type { Exchange } from "../exchange.ts";
import type { StreamMeter } from "../metering/meter-answer.ts";
import type { Redactor } from "./redact.ts";

/** The upstream says in its stream that it broke off; `raw` is the event. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  constructor(readonly raw: Uint8Array) {
    super("The upstream reported an error in its stream.");
  }
}

const brokeOff = { code: "upstream_failed", message: "The model provider's answer broke off." };

/** An event of the upstream's that says so is passed on in place of ours. */
export function* errorEvents(
  { id, endpoint, facts, startedAtMs }: Exchange,
  error: unknown,
  { meter, redactor }: { meter: StreamMeter; redactor: Redactor },
): Generator<Uint8Array> {
  const raw = error instanceof StreamError ? Buffer.from(redactor.redactText(Buffer.from(error.raw).toString())) : null;
  const { facts: seen } = meter;
  const said = raw ? saidOf(seen.error, redactor) : brokeOff;
  if (endpoint.hasTypedEvents) {
    const response = {
      id: seen.responseId ?? `resp_${id}`,
      created_at: Math.floor(startedAtMs / 1_000),
      model: seen.servedModel ?? facts.model,
      error: said,
      ...failedResponse,
    };
    yield eventOf("response.failed", { type: "response.failed", sequence_number: meter.taken(), response });
  }
  if (raw) yield raw;
  if (raw && seen.error !== null) return;
  const ours = { ...said, type: "server_error", param: null };
  yield endpoint.hasTypedEvents
    ? eventOf("error", { ...ours, type: "error", sequence_number: meter.taken() + 1 })
    : Buffer.from(`data: ${JSON.stringify({ error: ours })}\n\n`);
}

/** What the SDKs expect of every response. */
const failedResponse = {
  object: "response",
  status: "failed",
  incomplete_details: null,
  instructions: null,
  metadata: {},
  output: [],
  parallel_tool_calls: true,
  temperature: null,
  tool_choice: "auto",
  tools: [],
  top_p: null,
  usage: null,
};

const eventOf = (name: string, data: object): Uint8Array =>
  Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);

/** The code and the words of an upstream's error, wherever in its event they stand. */
function saidOf(error: unknown, redactor: Redactor): { code: string; message: string } {
  const object = isObject(error) ? (isObject(error.error) ? error.error : error) : {};
  const code = [object.code, object.type].find((each) => typeof each === "string" && each !== "error");
  const message = typeof error === "string" ? error : object.message;
  return {
    code: typeof code === "string" ? redactor.redactText(code.slice(0, 64)) : brokeOff.code,
    message: typeof message === "string" ? redactor.redactText(message.slice(0, 2_000)) : brokeOff.message,
  };
}
