/**
 * A streamed answer: every event goes on as the bytes it came in, but the last one waits for the settlement. The hold is
 * settled exactly once, whichever way the stream ends: whole, broken off, or left by its client.
 */
import { clockMs } from "../call-record.ts";
import type { Exchange } from "../exchange.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { hasNothing } from "./judge-answer.ts";
import type { StreamMeter } from "../metering/meter-answer.ts";
import type { Ports } from "../ports.ts";
import { captureOf } from "./relay.ts";
import { createSseSplitter, type SseEvent } from "./sse.ts";
import { errorEvents, StreamError } from "./stream-errors.ts";
import type { UpstreamAnswer } from "./upstream-client.ts";

const checkpointEveryMs = 2_000;

/** The client has left; the stream ends without a word. */
class ClientLeftError extends Error {
  override readonly name = "ClientLeftError";
}

export async function* relayStream(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  heartbeat: Heartbeat,
): AsyncGenerator<Uint8Array, void, void> {
  const { endpoint } = exchange;
  const { tokenizer, turns } = exchange.workshop;
  const meter = endpoint.meterStream({ tokenizer, turns, party: exchange.userId });
  const settleOnce = createSettleOnce(ports, exchange, answer, meter);
  const checkpoints = startCheckpoints(ports, exchange, meter);
  const source = eventsOf(answer);
  let events: SseEvent[] = [];
  let taken = 0;
  let hasEnded = false;
  let isWhole = false;
  let isOver = false;
  try {
    for await (const batch of keptOpen(source)) {
      if (exchange.signal?.aborted) throw new ClientLeftError();
      if (batch.length > 0) {
        settleOnce.noteFirstByte();
        heartbeat.note(ports.now(), batch.some(isEvent));
      }
      events = batch;
      taken = 0;
      for (const event of batch) {
        taken++;
        const read = meter.take(event);
        const kind = read instanceof Promise ? await read : read;
        // A usage chunk is the end only where nothing comes behind it.
        hasEnded ||= kind === "terminal";
        if (isEvent(event)) isWhole = hasEnded || kind === "usage";
        if (kind === "terminal") await settleOnce.settle(true);
        if (kind === "error") throw new StreamError(event.raw);
        if (event.piece) heartbeat.stop();
        if (kind !== "usage" || exchange.facts.wantsUsageChunk) yield event.raw;
        if (event.piece?.isLast) heartbeat.note(ports.now(), true);
      }
    }
    isOver = true;
    if (!isWhole) throw new Error("The upstream's stream ended before its last event.");
  } catch (error) {
    isOver = true;
    await settleOnce.settle(isWhole && !(error instanceof StreamError));
    if (exchange.signal?.aborted || (isWhole && !(error instanceof StreamError))) return;
    ports.log("warn", "stream_broke_off", { requestId: exchange.id, error: (error as Error).message });
    yield* errorEvents(exchange, error, { meter, redactor: answer.redactor });
    throw error;
  } finally {
    heartbeat.stop();
    // The client gave the stream back. Without a signal it is one that is read to its end all the same.
    if (!isOver && exchange.signal === null) {
      isWhole = (await readToEnd(withFirst(events.slice(taken), source), meter)) || isWhole;
    }
    answer.body.destroy();
    clearInterval(checkpoints);
    await settleOnce.settle(isWhole).finally(() => exchange.done(exchange.open));
  }
}

const isEvent = ({ data, largeData, piece }: SseEvent): boolean =>
  data !== null || largeData !== null || piece !== null;

/** The events of each chunk. */
async function* eventsOf(answer: UpstreamAnswer): AsyncGenerator<SseEvent[], void, void> {
  const splitter = createSseSplitter();
  for await (const chunk of answer.body) {
    const events = splitter.push(chunk);
    if (events.length > 0) yield events;
  }
  // An event that its closing empty line never followed is still read: some servers end without one.
  if (splitter.isOpen()) yield splitter.push(Buffer.from("\n\n")).slice(0, 1);
}

/** Leaving a loop over it does not end it. */
const keptOpen = <Item>(source: AsyncGenerator<Item, void, void>): AsyncIterable<Item> => ({
  [Symbol.asyncIterator]: () => ({ next: () => source.next() }),
});

async function* withFirst<Item>(first: Item, rest: AsyncIterable<Item>): AsyncGenerator<Item, void, void> {
  yield first;
  yield* rest;
}

/** Meters what is left of a stream that nobody reads any more. Answers whether it ended whole. */
async function readToEnd(batches: AsyncIterable<SseEvent[]>, meter: StreamMeter): Promise<boolean> {
  let hasEnded = false;
  let isWhole = false;
  try {
    for await (const batch of batches) {
      for (const event of batch) {
        const kind = await meter.take(event);
        hasEnded ||= kind === "terminal";
        if (isEvent(event)) isWhole = hasEnded || kind === "usage";
      }
    }
  } catch {
    // It broke off: what came so far is charged.
  }
  return isWhole;
}

function createSettleOnce(ports: Ports, exchange: Exchange, answer: UpstreamAnswer, meter: StreamMeter) {
  let settled: Promise<void> | null = null;
  let timeToFirstByteMs: number | null = null;

  async function settle(isWhole: boolean): Promise<void> {
    exchange.open.record.settlingAtMs = clockMs();
    if (!exchange.signal?.aborted && isNothing(meter)) {
      await ports.settle({ hold: exchange.hold, outcome: "released", reason: "no_output" });
      return;
    }
    const outputTokens = () => meter.observedTokens();
    const metered = { facts: meter.facts, isStream: true, timeToFirstByteMs, isWhole, outputTokens };
    await ports.settle(await captureOf(ports, exchange, answer, metered));
  }

  return {
    noteFirstByte: () => {
      if (timeToFirstByteMs !== null) return;
      timeToFirstByteMs = ports.now() - exchange.startedAtMs;
      exchange.open.record.firstEventAtMs = clockMs();
    },
    settle: (isWhole: boolean) =>
      (settled ??= settle(isWhole).catch((error: unknown) => {
        ports.log("error", "settle_failed", { requestId: exchange.id, error: (error as Error).name });
        throw error;
      })),
  };
}

/** Every 2 s of a stream, also of one that is silent, what a settlement after a crash would need is written down. */
function startCheckpoints(ports: Ports, exchange: Exchange, meter: StreamMeter): NodeJS.Timeout {
  let writtenAt = -1;
  const timer = setInterval(() => {
    if (meter.taken() === writtenAt) return;
    writtenAt = meter.taken();
    writeCheckpoint(ports, exchange, meter).catch((error: unknown) => {
      // The stream goes on: the next checkpoint, or its settlement, says what this one did not.
      ports.log("warn", "checkpoint_failed", { requestId: exchange.id, error: (error as Error).name });
    });
  }, checkpointEveryMs);
  return timer.unref();
}

async function writeCheckpoint(ports: Ports, exchange: Exchange, meter: StreamMeter): Promise<void> {
  ports.checkpoint({
    hold: exchange.hold,
    inputTokens: await exchange.inputTokens(),
    upstreamResponseId: meter.facts.responseId,
    observedOutputTokens: await meter.observedTokens(),
  });
}

/** A response that failed, or broke off, before anything came out is no answer. */
function isNothing(meter: StreamMeter): boolean {
  const { facts } = meter;
  return !meter.hasOutput() && (facts.usage === null || facts.error !== null) && hasNothing(facts);
}
