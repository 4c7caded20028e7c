/**
 * One OpenAI request → one upstream call → one settled charge: match → authenticate → read the body → bound the cost →
 * hold → dispatch → meter → settle → release the tail. Money is held before the upstream is asked, and its capture is
 * written down before the client sees the end.
 */
import { billingKeys, outputCapNames, readCallFacts, type CallFacts } from "./bound-cost.ts";
import { clockMs, openRecord, type CallRecord } from "./call-record.ts";
import { BodyTooLargeError, RequestCutError, type GatewayAnswer, type GatewayCall } from "./call.ts";
import { endpoints, type Endpoint } from "./endpoints.ts";
import { errorAnswer, type ErrorCode } from "./errors.ts";
import type { Caller, Hold, Ports, Refusal, Upstream } from "./ports.ts";
import { defaultHeartbeatMs } from "./heartbeat.ts";
import { claimName, type NamedCall } from "./idempotency.ts";
import { findRead } from "./reads.ts";
import { noFacts } from "./meter-answer.ts";
import { recallResponse, type RecalledResponse } from "./recall-response.ts";
import { captureOf, relayAnswer } from "./relay.ts";
import { createRequestId } from "./request-id.ts";
import { BodyError, scanBody, valueOf, withMembers, type ScannedBody } from "./scan-body.ts";
import {
  createUpstreamClient,
  defaultTimeouts,
  type UpstreamClient,
  type UpstreamFault,
  type UpstreamHealth,
  type UpstreamPolicy,
  type UpstreamVitals,
} from "./upstream-client.ts";

export type GatewayOptions = {
  maxBodyBytes?: number;
  heartbeatMs?: number;
  /** Read for each call. */
  upstreamPolicy?: () => UpstreamPolicy;
};

export type Gateway = {
  handle(call: GatewayCall): Promise<GatewayAnswer>;
  /** Calls that are not settled yet, with those whose client has left. */
  inFlight(): number;
  /** How the calls to an upstream fare. */
  health(upstream: Upstream): UpstreamHealth;
  /** Whether and why calls are kept away from an upstream. */
  vitals(upstream: Upstream): UpstreamVitals;
  probe: UpstreamClient["probe"];
  /** What an ended response used, as the upstream that gave it knows; null: none says so. */
  recallResponse(id: string): Promise<RecalledResponse | null>;
  /** From now on calls are answered with 503. */
  drain(): void;
  close(): Promise<void>;
};

/** What one call carries from step to step. */
export type Exchange = {
  id: string;
  startedAtMs: number;
  endpoint: Endpoint;
  facts: CallFacts;
  /** As the client sent it. */
  body: Uint8Array;
  hold: Hold;
  /** Null where the client gave the call no name. */
  named: NamedCall | null;
  /** Aborts when the client has left; null where the answer is fetched to its end all the same. */
  signal: AbortSignal | null;
  /** Codex takes any event at any time, and hangs up where none comes. */
  isCodex: boolean;
  heartbeatMs: number;
  record: CallRecord;
  /** To be called once a streamed answer is over and settled. */
  done: (record: CallRecord) => void;
};

const defaultPolicy = (): UpstreamPolicy => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: false });

const byPath = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]));
const bearer = /^Bearer +(\S+)$/i;

export function createGateway(ports: Ports, options: GatewayOptions = {}): Gateway {
  const { maxBodyBytes = 10 * 1024 * 1024, heartbeatMs = defaultHeartbeatMs, upstreamPolicy = defaultPolicy } = options;
  const upstreams = createUpstreamClient(ports.now, upstreamPolicy);
  let running = 0;
  let isDraining = false;

  async function handle(call: GatewayCall): Promise<GatewayAnswer> {
    const startedAtMs = ports.now();
    const id = createRequestId(startedAtMs);
    const record = openRecord(id, call.headers.traceparent);
    running++;
    let answer: GatewayAnswer;
    try {
      answer = isDraining ? errorAnswer("service_unavailable", id) : await answerCall(call, record, startedAtMs);
    } catch (error) {
      answer = answerFault(error, id);
    }
    record.status = answer.status;
    record.errorCode = answer.errorCode ?? null;
    if (answer.body instanceof Uint8Array) done(record);
    return answer;
  }

  function answerFault(error: unknown, id: string): GatewayAnswer {
    if (error instanceof BodyError) return errorAnswer("invalid_body", id, error);
    if (error instanceof BodyTooLargeError) return errorAnswer("body_too_large", id);
    // Nobody reads the answer; it is no fault of ours that would have to be looked after.
    if (error instanceof RequestCutError) return errorAnswer("invalid_body", id, error);
    ports.log("error", "request_failed", { requestId: id, error: (error as Error).message });
    return errorAnswer("service_unavailable", id);
  }

  const done = (record: CallRecord) => {
    running--;
    record.endedAtMs = clockMs();
    ports.observe(record);
  };

  async function answerCall(call: GatewayCall, record: CallRecord, startedAtMs: number): Promise<GatewayAnswer> {
    const id = record.requestId;
    const query = call.path.indexOf("?");
    const pathname = query === -1 ? call.path : call.path.slice(0, query);
    const endpoint = byPath.get(pathname);
    if (!endpoint) return answerRead(call, record, pathname);
    record.endpoint = endpoint.name;
    if (call.method !== endpoint.method) {
      return errorAnswer("unknown_url", id, { message: `Use ${endpoint.method} for ${pathname}.` });
    }
    const found = authenticate(call, endpoint);
    const caller = found instanceof Promise ? await found : found;
    if ("refused" in caller) return refuse(caller, id);
    const body = await call.readBody(maxBodyBytes);
    const scanned = scanBody(body, billingKeys);
    const facts = readCallFacts(endpoint, scanned);
    record.isStream = facts.isStream;
    const key = call.headers["idempotency-key"];
    const named = key === undefined ? null : await claimName(ports, { key, path: call.path, id, caller, body });
    if (named && "answer" in named) return named.answer;
    const hold = await ports.placeHold({
      id,
      caller,
      endpoint: endpoint.name,
      hasOutput: endpoint.outputCap !== null,
      model: facts.model,
      previousResponseId: facts.previousResponseId,
      isNamed: named !== null,
      bound: facts.bound,
    });
    if ("refused" in hold) {
      await named?.giveUp();
      return refuse(hold, id);
    }
    record.hold = hold;
    record.heldAtMs = clockMs();
    // A whole answer is fetched to its end even where its client has left, and a stream where the setting says so: its
    // cost is then exact.
    const exchange: Exchange = {
      id,
      startedAtMs,
      endpoint,
      facts,
      body,
      hold,
      named,
      signal: facts.isStream && !ports.drainsOnDisconnect() ? call.signal : null,
      isCodex: isCodex(call.headers),
      heartbeatMs,
      record,
      done,
    };
    // Awaited, it is one turn of the promise's own; returned as it is, it would be three.
    return await dispatch(call, caller, exchange, bodyForUpstream(endpoint, scanned, facts, hold, caller));
  }

  async function dispatch(
    call: GatewayCall,
    caller: Caller,
    exchange: Exchange,
    body: Uint8Array,
  ): Promise<GatewayAnswer> {
    const { hold, facts, id, record } = exchange;
    if (exchange.signal?.aborted) {
      await ports.settle({ hold, outcome: "released", reason: "client_left" });
      return errorAnswer("upstream_failed", id);
    }
    record.dispatchedAtMs = clockMs();
    const dispatched = await upstreams.dispatch(
      {
        path: exchange.endpoint.path.slice("/v1".length),
        headers: call.headers,
        body,
        isStream: facts.isStream,
        stickyKey: caller.userId,
        upstreamId: hold.upstreamId,
        signal: exchange.signal,
      },
      ports.listUpstreams(),
    );
    record.attempts = dispatched.attempts;
    if ("answer" in dispatched) {
      record.answeredAtMs = clockMs();
      return await relayAnswer(ports, exchange, dispatched.answer);
    }
    const { fault, attempts } = dispatched;
    ports.log("warn", "upstream_fault", { requestId: id, fault, attempts });
    await ports.settle(
      fault === "aborted"
        ? await captureOfPrompt(exchange, attempts.at(-1)?.upstreamId ?? "")
        : { hold, outcome: "released", reason: fault },
    );
    return errorAnswer(faultCodes[fault], id);
  }

  /** The client left after its prompt had gone upstream and before a byte came back: the prompt is charged. */
  const captureOfPrompt = (exchange: Exchange, upstreamId: string) =>
    captureOf(
      ports,
      exchange,
      { status: 499, headers: {}, upstream: { id: upstreamId } },
      {
        facts: noFacts(),
        isStream: true,
        timeToFirstByteMs: null,
        isWhole: false,
        outputTokens: () => Promise.resolve(0),
      },
    );

  async function answerRead(call: GatewayCall, record: CallRecord, pathname: string): Promise<GatewayAnswer> {
    const id = record.requestId;
    const read = findRead(pathname);
    if (!read || call.method !== "GET") {
      return errorAnswer("unknown_url", id, { message: `Unknown request URL: ${call.method} ${pathname}.` });
    }
    record.endpoint = read.name;
    const caller = await authenticate(call, null);
    if ("refused" in caller) return refuse(caller, id);
    const { searchParams } = new URL(call.path, "http://gateway");
    const found = await ports.answerRead({ ...read, caller, search: searchParams });
    if ("refused" in found) return refuse(found, id);
    return {
      status: 200,
      headers: { "content-type": "application/json", "x-request-id": id },
      body: Buffer.from(JSON.stringify(found.answer)),
    };
  }

  function authenticate(call: GatewayCall, endpoint: Endpoint | null) {
    const { authorization } = call.headers;
    const secret = typeof authorization === "string" ? bearer.exec(authorization)?.[1] : undefined;
    if (!secret) {
      const message = "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY.";
      return { refused: "invalid_api_key" as const, message };
    }
    return ports.authenticate({ secret, endpoint: endpoint?.name ?? null, remoteAddress: call.remoteAddress });
  }

  return {
    handle,
    inFlight: () => running,
    health: (upstream) => upstreams.health(upstream),
    vitals: (upstream) => upstreams.vitals(upstream),
    probe: (upstream, probeOptions) => upstreams.probe(upstream, probeOptions),
    recallResponse: (id) => recallResponse(upstreams, ports.listUpstreams(), id),
    drain: () => {
      isDraining = true;
    },
    close: () => upstreams.close(),
  };
}

const faultCodes: Readonly<Record<UpstreamFault, ErrorCode>> = {
  unavailable: "upstream_unavailable",
  timeout: "upstream_timeout",
  failed: "upstream_failed",
  aborted: "upstream_failed",
};

const isCodex = ({ originator }: GatewayCall["headers"]): boolean =>
  typeof originator === "string" && originator.startsWith("codex");

const refuse = ({ refused, ...rest }: Refusal, id: string) => errorAnswer(refused, id, rest);

/** The client's own bytes with what must be added: the usage of a stream, the cap that the hold covers, the user's hash. */
function bodyForUpstream(
  endpoint: Endpoint,
  body: ScannedBody,
  facts: CallFacts,
  hold: Hold,
  caller: Caller,
): Uint8Array {
  const members: Record<string, unknown> = {};
  const isChat = endpoint.name === "chat.completions" || endpoint.name === "completions";
  if (facts.isStream && isChat && !facts.wantsUsageChunk) {
    const options = valueOf(body, "stream_options");
    members.stream_options = { ...(typeof options === "object" ? options : {}), include_usage: true };
  }
  if (hold.outputCapTokens !== null && endpoint.outputCap) {
    const own = outputCapNames.filter((name) => body.spans.has(name));
    for (const name of own.length > 0 ? own : [endpoint.outputCap]) members[name] = hold.outputCapTokens;
  }
  if (facts.toolCallCap !== null) members.max_tool_calls = facts.toolCallCap;
  const takesIdentifier = endpoint.name === "chat.completions" || endpoint.name === "responses";
  const hasIdentifier = (valueOf(body, "safety_identifier") ?? null) !== null;
  if (takesIdentifier && !hasIdentifier) members.safety_identifier = caller.safetyIdentifier;
  return withMembers(body, members);
}
