/**
 * The end of a stream that broke off, in the shapes that clients raise as an error: the connection is broken off behind
 * it, never ended as if whole. Codex hears `response.failed` alone, and only where the stream then ends in order: of a
 * connection that breaks off it shows that instead. The SDKs raise `error`; on chat it is an object with `error`.
 */
import { errorTable } from "../errors.ts";
import type { Exchange } from "../exchange.ts";
import { isObject } from "../metering/answer-facts.ts";
import type { StreamMeter } from "../metering/meter-answer.ts";
import type { Refusal } from "../ports.ts";
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
  exchange: Exchange,
  error: unknown,
  { meter, redactor }: { meter: StreamMeter; redactor: Redactor },
): Generator<Uint8Array> {
  const raw = error instanceof StreamError ? Buffer.from(redactor.redactText(Buffer.from(error.raw).toString())) : null;
  const { error: seen } = meter.facts;
  const said = raw ? saidOf(seen, redactor) : brokeOff;
  if (exchange.endpoint.hasTypedEvents) yield failedEvent(exchange, said, meter);
  if (endsInOrder(exchange)) return;
  if (raw) yield raw;
  if (raw && seen !== null) return;
  yield errorEvent(exchange, { ...said, type: "server_error" }, meter);
}

/** A stream that the gateway itself ends. Codex asks again for every code but the one that says so of money. */
export function* endEvents(
  exchange: Exchange,
  { refused, message }: Refusal,
  meter: StreamMeter,
): Generator<Uint8Array> {
  const { type, code, message: usual } = errorTable[refused];
  const said = { code: code ?? refused, message: message ?? usual };
  if (exchange.endpoint.hasTypedEvents) {
    const isForCodex = exchange.isCodex && type === "insufficient_quota";
    yield failedEvent(exchange, isForCodex ? { ...said, code: type } : said, meter);
  }
  if (endsInOrder(exchange)) return;
  yield errorEvent(exchange, { ...said, type }, meter);
}

/** Whether the stream ends behind its error as a whole one does: `response.failed` is an end of its own for Codex. */
export const endsInOrder = ({ isCodex, endpoint }: Exchange): boolean => isCodex && endpoint.hasTypedEvents;

type Said = { code: string; message: string };

function failedEvent({ id, facts, startedAtMs }: Exchange, error: Said, meter: StreamMeter): Uint8Array {
  const response = {
    id: meter.facts.responseId ?? `resp_${id}`,
    created_at: Math.floor(startedAtMs / 1_000),
    model: meter.facts.servedModel ?? facts.model,
    error,
    ...failedResponse,
  };
  return eventOf("response.failed", { type: "response.failed", sequence_number: meter.taken(), response });
}

function errorEvent({ endpoint }: Exchange, said: Said & { type: string }, meter: StreamMeter): Uint8Array {
  const error = { message: said.message, type: said.type, code: said.code, param: null };
  return endpoint.hasTypedEvents
    ? eventOf("error", { ...error, type: "error", sequence_number: meter.taken() + 1 })
    : Buffer.from(`data: ${JSON.stringify({ error })}\n\n`);
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
function saidOf(error: unknown, redactor: Redactor): Said {
  const object = isObject(error) ? (isObject(error.error) ? error.error : error) : {};
  const code = [object.code, object.type].find((each) => typeof each === "string" && each !== "error");
  const message = typeof error === "string" ? error : object.message;
  return {
    code: typeof code === "string" ? redactor.redactText(code.slice(0, 64)) : brokeOff.code,
    message: typeof message === "string" ? redactor.redactText(message.slice(0, 2_000)) : brokeOff.message,
  };
}
