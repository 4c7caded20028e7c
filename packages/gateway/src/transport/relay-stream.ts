/**
 * A streamed answer: every event goes on as the bytes it came in, but the last one waits for the settlement. The hold is
 * settled exactly once, whichever way the stream ends: whole, broken off, or left by its client.
 */
import { clockMs } from "../call-record.ts";
import type { Exchange } from "../exchange.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { createHoldSlices, type HoldSlices } from "../metering/hold-slices.ts";
import { hasNothing } from "./judge-answer.ts";
import type { StreamMeter } from "../metering/meter-answer.ts";
import type { Ports } from "../ports.ts";
import { captureOf, leftByClient } from "./relay.ts";
import { createSseSplitter, type SseEvent } from "./sse.ts";
import { StreamEndedError } from "./stream-end.ts";
import { endEvents, endsInOrder, errorEvents, StreamError } from "./stream-errors.ts";
import type { UpstreamAnswer } from "./upstream-client.ts";

const checkpointEveryMs = 2_000;
/**
 * A model that reasons, and whose answer is ended on this side before it says what it used, is charged for so much a second
 * from the request on, or for what was seen where that is more: about what such models write, and never for more than was
 * held.
 */
const unseenTokensPerSecond = 50;

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
  const slices = createHoldSlices({
    ports,
    hold: exchange.hold,
    countTokens: () => meter.observedTokens(),
    startedAtMs: ports.now(),
  });
  const settleOnce = createSettleOnce(ports, exchange, answer, { meter, slices });
  /** Why the gateway itself ends the stream, which may be silent then. */
  let ended = null as StreamEndedError | null;
  const end = (error: StreamEndedError) => {
    ended ??= error;
    answer.body.destroy();
  };
  const checkpoints = startCheckpoints(ports, exchange, { meter, slices, end });
  const { apiKeyId, userId } = exchange;
  const readOn = boundReading(ports, exchange, () => answer.body.destroy());
  const removeStream = exchange.workshop.streams.add({ apiKeyId, userId, end });
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
        const wait = kind === "plain" ? slices.note(event) : null;
        if (wait) await wait;
      }
    }
    isOver = true;
    if (!isWhole) throw new Error("The upstream's stream ended before its last event.");
  } catch (fault) {
    isOver = true;
    const error = ended ?? fault;
    const isEnded = error instanceof StreamEndedError;
    const isSound = isWhole && !(error instanceof StreamError);
    const endedFor = isEnded ? error.refusal.refused : readOn.isCut() ? leftByClient : null;
    await settleOnce.settle(isSound, endedFor);
    if (exchange.signal?.aborted || isSound || readOn.isCut()) return;
    if (isEnded) {
      ports.log("info", "stream_ended", { requestId: exchange.id, reason: error.refusal.refused });
      exchange.open.record.errorCode = error.refusal.refused;
      yield* endEvents(exchange, error.refusal, meter);
      if (endsInOrder(exchange)) return;
      throw error;
    }
    ports.log("warn", "stream_broke_off", { requestId: exchange.id, error: (error as Error).message });
    yield* errorEvents(exchange, error, { meter, redactor: answer.redactor });
    if (endsInOrder(exchange)) return;
    throw error;
  } finally {
    heartbeat.stop();
    // The client gave the stream back. Without a signal it is one that is read to its end all the same.
    const wasLeft = !isOver;
    let isCut = exchange.signal !== null;
    if (wasLeft && exchange.signal === null) {
      readOn.begin();
      const rest = await readRest({ rest: withFirst(events.slice(taken), source), meter, slices });
      isWhole ||= rest.isWhole;
      isCut = readOn.isCut() || rest.isOutOfMoney;
    }
    readOn.end();
    answer.body.destroy();
    removeStream();
    clearInterval(checkpoints);
    await settleOnce
      .settle(isWhole, wasLeft && isCut && !isWhole ? leftByClient : null)
      .finally(() => exchange.done(exchange.open));
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

type ReadingOn = {
  /** The client has left. */
  begin(): void;
  /** Whether it was cut short on this side. */
  isCut(): boolean;
  end(): void;
};

/**
 * A stream whose client has left is read to its end where the setting says so, and for a while where its model reasons. It may
 * be silent when its client leaves, so that nobody asks for its next event.
 */
function boundReading(ports: Ports, exchange: Exchange, stop: () => void): ReadingOn {
  const { signal, userId, workshop } = exchange;
  const clientSignal = exchange.clientSignal();
  let close: (() => void) | null = null;
  let isCut = false;
  const cut = () => {
    isCut = true;
    stop();
  };
  const begin = () => {
    if (close !== null || isCut || signal !== null || ports.drainsOnDisconnect()) return;
    close = workshop.backgroundReads.open(userId, cut);
    if (close === null) cut();
  };
  clientSignal.addEventListener("abort", begin, { once: true });
  return {
    begin,
    isCut: () => isCut,
    end: () => {
      clientSignal.removeEventListener("abort", begin);
      close?.();
      close = () => undefined;
    },
  };
}

type LeftStream = { rest: AsyncIterable<SseEvent[]>; meter: StreamMeter; slices: HoldSlices };

/** Meters what is left of a stream that nobody reads any more. Answers whether it ended whole, or for want of money. */
async function readRest({ rest, meter, slices }: LeftStream): Promise<{ isWhole: boolean; isOutOfMoney: boolean }> {
  let hasEnded = false;
  let isWhole = false;
  let isOutOfMoney = false;
  try {
    for await (const batch of rest) {
      for (const event of batch) {
        const kind = await meter.take(event);
        hasEnded ||= kind === "terminal";
        if (isEvent(event)) isWhole = hasEnded || kind === "usage";
        if (kind === "plain") await slices.note(event);
      }
    }
  } catch (error) {
    // It broke off, its time is over, or its money: what came so far is charged.
    isOutOfMoney = error instanceof StreamEndedError;
  }
  return { isWhole, isOutOfMoney };
}

function createSettleOnce(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  { meter, slices }: { meter: StreamMeter; slices: HoldSlices },
) {
  let settled: Promise<void> | null = null;
  let timeToFirstByteMs: number | null = null;

  /** `endedFor`: why it was ended on this side; null: it was not. */
  async function settle(isWhole: boolean, endedFor: string | null): Promise<void> {
    exchange.open.record.settlingAtMs = clockMs();
    // One that we have ended would have been an answer.
    if (!exchange.signal?.aborted && endedFor === null && isNothing(meter)) {
      await ports.settle({ hold: exchange.hold, outcome: "released", reason: "no_output" });
      return;
    }
    const isUpstreamsFault = !isWhole && endedFor === null && !exchange.clientSignal().aborted;
    if (isUpstreamsFault && meter.facts.usage === null && !ports.chargesBrokenAnswers()) {
      await ports.settle({ hold: exchange.hold, outcome: "released", reason: "broke_off" });
      return;
    }
    const seconds = (ports.now() - exchange.startedAtMs) / 1_000;
    const unseen = exchange.hold.doesReason && endedFor !== null ? Math.floor(seconds * unseenTokensPerSecond) : 0;
    const outputTokens = async () =>
      Math.max(await meter.observedTokens(), Math.min(unseen, Math.floor(slices.heldTokens())));
    const metered = { facts: meter.facts, isStream: true, timeToFirstByteMs, isWhole, outputTokens, endedFor };
    await ports.settle(await captureOf(ports, exchange, answer, metered));
  }

  return {
    noteFirstByte: () => {
      if (timeToFirstByteMs !== null) return;
      timeToFirstByteMs = ports.now() - exchange.startedAtMs;
      exchange.open.record.firstEventAtMs = clockMs();
    },
    settle: (isWhole: boolean, endedFor: string | null = null) =>
      (settled ??= settle(isWhole, endedFor).catch((error: unknown) => {
        ports.log("error", "settle_failed", { requestId: exchange.id, error: (error as Error).name });
        throw error;
      })),
  };
}

/** Every 2 s of a stream, also of one that is silent, what a settlement after a crash would need is written down. */
function startCheckpoints(
  ports: Ports,
  exchange: Exchange,
  { meter, slices, end }: { meter: StreamMeter; slices: HoldSlices; end: (error: StreamEndedError) => void },
): NodeJS.Timeout {
  let writtenAt = -1;
  const timer = setInterval(() => {
    slices.tick()?.catch((error: unknown) => {
      if (error instanceof StreamEndedError) end(error);
      else ports.log("warn", "extend_failed", { requestId: exchange.id, error: (error as Error).message });
    });
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
