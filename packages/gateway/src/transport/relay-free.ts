/** Sends a call that costs nothing upstream, and hands on what comes back: as it is, metered by nobody. */
import { clockMs } from "../call-record.ts";
import type { GatewayAnswer } from "../call.ts";
import { faultCodes } from "../dispatch-call.ts";
import type { FreeRoute } from "../endpoints/free-routes.ts";
import { errorAnswer } from "../errors.ts";
import type { OpenCall } from "../exchange.ts";
import type { GatewayServices } from "../handle.ts";
import { parseObject } from "../metering/answer-facts.ts";
import { bufferOf } from "../metering/scan-body.ts";
import { storableOrNull } from "../metering/stored-text.ts";
import type { Caller } from "../ports.ts";
import type { AnswerShare } from "./answer-budget.ts";
import { clientHeaders } from "./headers.ts";
import { createHeartbeat, type Heartbeat } from "./heartbeat.ts";
import { answerRefusal } from "./relay-refusal.ts";
import { isEventStream } from "./sniff-answer.ts";
import { createSseSplitter } from "./sse.ts";
import type { UpstreamAnswer, UpstreamCall } from "./upstream-client.ts";

type FreeExchange = { open: OpenCall; caller: Caller; route: FreeRoute };

const maxAnswerBytes = 128 * 1024 * 1024;
/** Above this an answer goes to its client piece by piece, and its room is given back once it has all of it. */
const pieceBytes = 64 * 1024;

export async function relayFree(
  services: GatewayServices,
  call: UpstreamCall,
  exchange: FreeExchange,
): Promise<GatewayAnswer> {
  const { ports, upstreams } = services;
  const { record } = exchange.open;
  record.dispatchedAtMs = clockMs();
  const dispatched = await upstreams.dispatch(call, ports.listUpstreams());
  record.attempts = dispatched.attempts;
  if ("fault" in dispatched) {
    ports.log("warn", "upstream_fault", { requestId: record.requestId, fault: dispatched.fault });
    return errorAnswer(faultCodes[dispatched.fault], record.requestId);
  }
  const { answer } = dispatched;
  record.answeredAtMs = clockMs();
  if (answer.refusal) return answerRefusal(ports, record.requestId, answer, answer.refusal);
  const headers = clientHeaders(answer.headers, record.requestId, null);
  if (isEventStream(answer.headers["content-type"])) return relayEvents(services, exchange, answer, headers);
  return relayWhole(services, exchange, answer, headers);
}

function relayEvents(
  services: GatewayServices,
  { open }: FreeExchange,
  answer: UpstreamAnswer,
  headers: Record<string, string>,
): GatewayAnswer {
  const heartbeat = createHeartbeat(services.ports.now(), {
    isResponses: true,
    isEarly: false,
    everyMs: services.heartbeatMs,
  });
  open.record.isStream = true;
  headers["x-accel-buffering"] = "no";
  const body = eventsOf(services, open, answer, heartbeat);
  return { status: answer.status, headers, body, heartbeat: (nowMs) => heartbeat.due(nowMs) };
}

async function* eventsOf(
  { ports, done }: GatewayServices,
  open: OpenCall,
  answer: UpstreamAnswer,
  heartbeat: Heartbeat,
): AsyncGenerator<Uint8Array, void, void> {
  const splitter = createSseSplitter();
  try {
    for await (const chunk of answer.body) {
      for (const event of splitter.push(chunk)) {
        open.record.firstEventAtMs ??= clockMs();
        // Between the pieces of one event nothing may be said.
        if (event.piece && !event.piece.isLast) heartbeat.stop();
        else heartbeat.note(ports.now(), event.data !== null || event.largeData !== null || event.piece !== null);
        yield event.raw;
      }
    }
    yield splitter.rest();
  } finally {
    heartbeat.stop();
    answer.body.destroy();
    done(open);
  }
}

async function relayWhole(
  services: GatewayServices,
  exchange: FreeExchange,
  answer: UpstreamAnswer,
  headers: Record<string, string>,
): Promise<GatewayAnswer> {
  const { ports, workshop, done } = services;
  const { open, caller } = exchange;
  const room: { share: AnswerShare | null } = { share: null };
  const openShare = () =>
    (room.share = workshop.answers.open({ userId: caller.userId, upstreamId: answer.upstream.id }));
  let isPassedOn = false;
  try {
    const expectedBytes = Number(answer.headers["content-length"] ?? 0) || 0;
    const body = await answer.body.readAll(maxAnswerBytes, { expectedBytes, openShare });
    await noteEffect(services, exchange, answer, body);
    const { share } = room;
    if (share === null) return { status: answer.status, headers, body };
    isPassedOn = true;
    headers["content-length"] = String(body.length);
    const release = () => {
      share.release();
      done(open);
    };
    return { status: answer.status, headers, body: piecesOf(body, release) };
  } catch (error) {
    ports.log("warn", "upstream_broke_off", { requestId: open.record.requestId, error: (error as Error).message });
    return errorAnswer("upstream_failed", open.record.requestId);
  } finally {
    if (!isPassedOn) room.share?.release();
  }
}

async function* piecesOf(body: Uint8Array, release: () => void): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (let at = 0; at < body.length; at += pieceBytes) {
      yield await Promise.resolve(body.subarray(at, at + pieceBytes));
    }
  } finally {
    release();
  }
}

/** Writes down what a success has made of the caller's resources, before the client can ask for them. */
async function noteEffect(
  { ports }: GatewayServices,
  { caller, route }: FreeExchange,
  { upstream }: UpstreamAnswer,
  body: Uint8Array,
): Promise<void> {
  const { effect } = route.endpoint;
  if (effect === null) return;
  if ("deletes" in effect) {
    const removed = route.resources.find(({ kind }) => kind === effect.deletes);
    if (removed) await ports.resources.remove({ caller, ...removed, upstreamId: upstream.id });
    return;
  }
  const id = storableOrNull(parseObject(bufferOf(body).toString()).id);
  if (id !== null) await ports.resources.add({ caller, kind: effect.creates, id, upstreamId: upstream.id });
}
