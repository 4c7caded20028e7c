/** Carries the upstream's answer to the client and settles its hold once, before the client sees the end. */
import type { AnswerShare } from "./answer-budget.ts";
import { clockMs } from "../call-record.ts";
import type { GatewayAnswer } from "../call.ts";
import { errorAnswer } from "../errors.ts";
import type { Exchange } from "../exchange.ts";
import { clientHeaders } from "./headers.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { hostedUnits } from "../metering/hosted-tools.ts";
import type { AnswerFacts } from "../metering/answer-facts.ts";
import { judgeAnswer } from "./judge-answer.ts";
import { isEventStream, sniffAnswer } from "./sniff-answer.ts";
import type { Basis, Ports, Settlement, Usage } from "../ports.ts";
import { relayRefusal } from "./relay-refusal.ts";
import { readRefusal } from "./upstream-refusal.ts";
import { relayStream } from "./relay-stream.ts";
import { storableOrNull } from "../metering/stored-text.ts";
import type { UpstreamAnswer } from "./upstream-client.ts";
import { readUsage, type ReadUsage } from "../metering/read-usage.ts";

const maxAnswerBytes = 128 * 1024 * 1024;
/** Above this an answer goes to its client piece by piece: how fast it reads is then known, and what it keeps here. */
const pieceBytes = 64 * 1024;

/** So long a client waits for the head of a stream whose upstream has told one and says nothing. */
const sniffMs = 1_000;

export function relayAnswer(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
): GatewayAnswer | Promise<GatewayAnswer> {
  if (answer.refusal) return relayRefusal(ports, exchange, answer, answer.refusal);
  const headers = clientHeaders(answer.headers, exchange.id, exchange.hold);
  for (const name in headers) {
    if (name.startsWith("x-codex-")) headers[name] = answer.redactor.redactText(headers[name] ?? "");
  }
  const isToldEvents = isEventStream(answer.headers["content-type"]);
  if (!isToldEvents && !exchange.facts.isStream) return relayWhole(ports, exchange, answer, headers);
  const patienceMs = Math.min(sniffMs, exchange.heartbeatMs);
  return sniffAnswer(answer.body, { isToldEvents, patienceMs }).then((kind) =>
    kind === "events" ? relayEvents(ports, exchange, answer, headers) : relayWhole(ports, exchange, answer, headers),
  );
}

function relayEvents(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  headers: Record<string, string>,
): GatewayAnswer {
  const heartbeat = createHeartbeat(ports.now(), {
    isResponses: exchange.endpoint.hasTypedEvents,
    isEarly: exchange.isCodex,
    everyMs: exchange.heartbeatMs,
  });
  if (!headers["content-type"]?.startsWith("text/event-stream")) headers["content-type"] = eventStream;
  // nginx would gather the events; it is told not to.
  headers["x-accel-buffering"] = "no";
  const body = relayStream(ports, exchange, answer, heartbeat);
  return { status: answer.status, headers, body, heartbeat: (nowMs) => heartbeat.due(nowMs) };
}

const eventStream = "text/event-stream; charset=utf-8";

async function relayWhole(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  headers: Record<string, string>,
): Promise<GatewayAnswer> {
  const { workshop, userId } = exchange;
  const room: { share: AnswerShare | null } = { share: null };
  const openShare = () => (room.share = workshop.answers.open({ userId, upstreamId: answer.upstream.id }));
  const releaseShare = () => room.share?.release();
  let isPassedOn = false;
  try {
    const body = await readWhole(ports, exchange, answer, headers, openShare);
    if (!(body instanceof Uint8Array)) return body;
    if (room.share === null) return { status: answer.status, headers, body };
    isPassedOn = true;
    headers["content-length"] = String(body.length);
    return { status: answer.status, headers, body: piecesOf(exchange, body, releaseShare) };
  } finally {
    if (!isPassedOn) releaseShare();
  }
}

/** The answer's bytes, settled; or what its client gets instead. */
async function readWhole(
  ports: Ports,
  exchange: Exchange,
  answer: UpstreamAnswer,
  headers: Record<string, string>,
  openShare: () => AnswerShare,
): Promise<Uint8Array | GatewayAnswer> {
  const { workshop, userId, endpoint, named } = exchange;
  const timeToFirstByteMs = ports.now() - exchange.startedAtMs;
  let body: Uint8Array;
  try {
    const expectedBytes = Number(answer.headers["content-length"] ?? 0) || 0;
    body = await answer.body.readAll(maxAnswerBytes, { expectedBytes, openShare });
  } catch (error) {
    // Nothing reached the client, so nothing is charged.
    ports.log("warn", "upstream_broke_off", { requestId: exchange.id, error: (error as Error).message });
    await ports.settle({ hold: exchange.hold, outcome: "released", reason: "upstream_broke_off" });
    return errorAnswer("upstream_failed", exchange.id);
  }
  exchange.open.record.settlingAtMs = clockMs();
  const { tokenizer, turns } = workshop;
  const read = endpoint.meterWhole(body, { tokenizer, turns, party: userId });
  const { facts, outputTokens } = read instanceof Promise ? await read : read;
  const noAnswer = judgeAnswer(facts);
  if (noAnswer) {
    ports.log("warn", "upstream_no_answer", { requestId: exchange.id, upstreamId: answer.upstream.id });
    const { status, error } = noAnswer;
    const said = error === null ? body.subarray(0, 0) : Buffer.from(JSON.stringify({ error }));
    return relayRefusal(ports, exchange, { ...answer, status }, readRefusal(status, said));
  }
  if (!isJson(answer.headers["content-type"])) headers["content-type"] = "application/json";
  if (named) await named.keepAnswer({ status: answer.status, headers, body });
  await ports.settle(
    await captureOf(ports, exchange, answer, {
      facts,
      isStream: false,
      timeToFirstByteMs,
      isWhole: true,
      outputTokens,
    }),
  );
  return body;
}

const isJson = (contentType: string | string[] | undefined): boolean =>
  typeof contentType === "string" && /^\s*application\/(?:[\w.-]+\+)?json\b/i.test(contentType);

/** A large answer for a client that may be slow; it is settled already, and its room is given back behind it. */
async function* piecesOf(
  { done, open }: Exchange,
  body: Uint8Array,
  release: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (let at = 0; at < body.length; at += pieceBytes) {
      yield await Promise.resolve(body.subarray(at, at + pieceBytes));
    }
  } finally {
    release();
    done(open);
  }
}

export type Metered = {
  facts: AnswerFacts;
  isStream: boolean;
  timeToFirstByteMs: number | null;
  /** false where the answer broke off, or its client left. */
  isWhole: boolean;
  outputTokens: () => Promise<number>;
  /** Why the gateway itself has ended the stream; null: it has not. */
  endedFor?: string | null;
};

/** The client gave it up. */
export const leftByClient = "client_left";

export type AnsweredBy = Pick<UpstreamAnswer, "status" | "headers"> & { upstream: { id: string } };

/** What is charged: the upstream's own usage, or where a side of it is missing what can be counted of the answer. */
export async function captureOf(
  ports: Ports,
  exchange: Exchange,
  answer: AnsweredBy,
  metered: Metered,
): Promise<Settlement> {
  const { facts } = metered;
  const stated = readUsage(facts.usage);
  const { usage, basis, flags } = await completeUsage(exchange, metered, stated);
  if (exchange.hold.isCapLowered) flags.push(`output_cap:${exchange.hold.outputCapTokens}`);
  if (basis !== "exact") ports.log("warn", "usage_counted", { requestId: exchange.id, flags });
  const { isSearch, bound } = exchange.facts;
  if (!isSearch) addUnits(usage, hostedUnits(facts.hosted, bound.hosted));
  else if (stated || usage.output) addUnits(usage, bound.hosted);
  return {
    hold: exchange.hold,
    outcome: "captured",
    basis,
    usage,
    flags,
    serviceTier: facts.serviceTier,
    servedModel: facts.servedModel,
    upstreamId: answer.upstream.id,
    upstreamRequestId: storableOrNull(answer.headers["x-request-id"]),
    upstreamResponseId: facts.responseId,
    status: answer.status,
    isStream: metered.isStream,
    timeToFirstByteMs: metered.timeToFirstByteMs,
    latencyMs: ports.now() - exchange.startedAtMs,
  };
}

type CountedUsage = { usage: Usage; basis: Basis; flags: string[] };

/**
 * Counts the sides that the upstream did not state, never below what it did state. Usage above what was held for is charged
 * as stated and flagged: no guess of ours takes its place.
 */
async function completeUsage(
  { hold, inputTokens }: Exchange,
  { facts, isWhole, outputTokens, endedFor }: Metered,
  stated: ReadUsage | null,
): Promise<CountedUsage> {
  const usage: Usage = stated?.units ?? { input: 0, output: 0 };
  const flags: string[] = [...(stated?.flags ?? [])];
  const outputOf = () => sumOf(usage, isOutput);
  // An answer that says something has not used nothing.
  const mustCountOutput = !stated?.isOutputStated || facts.isUsageStale || outputOf() === 0;
  const counted = mustCountOutput ? Math.min(await outputTokens(), hold.outputTokens) : 0;
  const isOutputShort = counted > outputOf();
  if (isOutputShort) usage.output = (usage.output ?? 0) + counted - outputOf();
  // No request has no input, whatever is stated of it.
  const isInputShort = sumOf(usage, isInput) === 0;
  if (!stated?.isInputStated || isInputShort) {
    const missing = Math.min(await inputTokens(), hold.inputTokens) - sumOf(usage, isInput);
    if (missing > 0) usage.input = (usage.input ?? 0) + missing;
  }
  if (sumOf(usage, isInput) > hold.inputTokens || outputOf() > hold.outputTokens) flags.push("above_ceiling");
  const isInputCounted = !stated?.isInputStated || (isInputShort && sumOf(usage, isInput) > 0);
  if (!isInputCounted && !isOutputShort) return { usage, basis: "exact", flags };
  if (facts.usage === null) flags.push(isWhole ? "no_usage" : brokeOffFor(endedFor));
  else if (!flags.includes("unreadable_usage")) flags.push("partial_usage");
  return { usage, basis: isWhole ? "estimate" : "observed", flags };
}

const brokeOffFor = (endedFor: Metered["endedFor"]): string =>
  endedFor && endedFor !== leftByClient ? `ended_for:${endedFor}` : "broke_off";

const isOutput = (unitClass: string): boolean => unitClass.endsWith("output");
const isInput = (unitClass: string): boolean => !isOutput(unitClass) && unitClass !== "second";

function sumOf(usage: Usage, fits: (unitClass: string) => boolean): number {
  let sum = 0;
  for (const unitClass in usage) if (fits(unitClass)) sum += usage[unitClass] ?? 0;
  return sum;
}

function addUnits(usage: Usage, more: Usage): void {
  for (const unitClass in more) usage[unitClass] = more[unitClass] as number;
}
