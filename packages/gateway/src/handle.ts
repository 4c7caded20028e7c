/**
 * One OpenAI request → one upstream call → one settled charge: match → authenticate → read the body → bound the cost →
 * hold → dispatch → meter → settle → release the tail. Money is held before the upstream is asked, and its capture is
 * written down before the client sees the end.
 */
import { createAnswerBudget, type AnswerBudget } from "./transport/answer-budget.ts";
import { BodyError } from "./transport/body-error.ts";
import { billingKeys, outputCapNames, readCallFacts, type CallFacts } from "./metering/bound-cost.ts";
import { createRequestBudget, defaultBudgets, OverBudgetError, type Budgets, type RequestShare } from "./budgets.ts";
import { clockMs, openRecord, type CallRecord } from "./call-record.ts";
import { BodyTooLargeError, BodyTooSlowError, RequestCutError, type GatewayAnswer, type GatewayCall } from "./call.ts";
import { endpoints, type Endpoint } from "./endpoints/index.ts";
import { errorAnswer, type ErrorCode } from "./errors.ts";
import type { Caller, Hold, Ports, Refusal, Upstream } from "./ports.ts";
import { defaultHeartbeatMs } from "./transport/heartbeat.ts";
import { claimName, type NamedCall } from "./idempotency.ts";
import { createInputEstimate, type InputEstimate } from "./metering/estimate-tokens.ts";
import { findRead } from "./endpoints/reads.ts";
import { noFacts } from "./metering/meter-answer.ts";
import { recallResponse, type RecalledResponse } from "./recall-response.ts";
import {
  backgroundReadLimits,
  createBackgroundReads,
  type BackgroundReadLimits,
  type BackgroundReads,
} from "./transport/background-reads.ts";
import { captureOf, relayAnswer } from "./transport/relay.ts";
import { createRunningStreams, type RunningStreams } from "./transport/running-streams.ts";
import { createRequestId } from "./request-id.ts";
import { isGiven, scanBody, scanBodyInTurns, valueOf, withMembers, type ScannedBody } from "./metering/scan-body.ts";
import { createTokenizer, type Tokenizer } from "./metering/tokenizer.ts";
import { createTurns, sliceBytes, type Turns } from "./metering/turns.ts";
import {
  createUpstreamClient,
  defaultTimeouts,
  type UpstreamClient,
  type UpstreamFault,
  type UpstreamHealth,
  type UpstreamPolicy,
  type UpstreamVitals,
} from "./transport/upstream-client.ts";

export type GatewayOptions = {
  maxBodyBytes?: number;
  heartbeatMs?: number;
  /** Read for each call. */
  upstreamPolicy?: () => UpstreamPolicy;
  budgets?: Partial<Budgets>;
  backgroundReads?: Partial<BackgroundReadLimits>;
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
  /** The keys whose streams are under way. */
  streamingKeys(): string[];
  /** Ends the streams of a key, with an error that says why; they are charged for what came. Answers how many. */
  endStreams(apiKeyId: string, refusal: Refusal): number;
  /** From now on calls are answered with 503. */
  drain(): void;
  close(): Promise<void>;
};

/** A call from its arrival to its end. */
type OpenCall = {
  record: CallRecord;
  /** What it takes of its user's budget; null: it is not known yet whose call it is. */
  share: RequestShare | null;
};

/** What all calls have in common. */
type Workshop = {
  tokenizer: Tokenizer;
  turns: Turns;
  answers: AnswerBudget;
  streams: RunningStreams;
  backgroundReads: BackgroundReads;
};

/** What one call carries from step to step. */
export type Exchange = {
  id: string;
  userId: string;
  apiKeyId: string;
  startedAtMs: number;
  endpoint: Endpoint;
  facts: CallFacts;
  /** As it goes upstream. */
  body: Uint8Array;
  inputTokens: InputEstimate;
  workshop: Workshop;
  hold: Hold;
  /** Null where the client gave the call no name. */
  named: NamedCall | null;
  /** Aborts when the client has left; null where the answer is fetched to its end all the same. */
  signal: AbortSignal | null;
  /** Codex takes any event at any time, and hangs up where none comes. */
  isCodex: boolean;
  heartbeatMs: number;
  open: OpenCall;
  /** To be called once an answer that is no plain bytes is over and settled. */
  done: (open: OpenCall) => void;
};

const defaultPolicy = (): UpstreamPolicy => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: false });

const byPath = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]));
const bearer = /^Bearer +(\S+)$/i;

export function createGateway(ports: Ports, options: GatewayOptions = {}): Gateway {
  const { maxBodyBytes = 10 * 1024 * 1024, heartbeatMs = defaultHeartbeatMs, upstreamPolicy = defaultPolicy } = options;
  const budgets = { ...defaultBudgets(), ...options.budgets };
  const upstreams = createUpstreamClient(ports.now, upstreamPolicy);
  const requests = createRequestBudget(budgets);
  const workshop: Workshop = {
    tokenizer: createTokenizer(),
    turns: createTurns(),
    answers: createAnswerBudget(budgets),
    streams: createRunningStreams(),
    backgroundReads: createBackgroundReads({ ...backgroundReadLimits, ...options.backgroundReads }),
  };
  let running = 0;
  let isDraining = false;
  let isClosed = false;

  async function handle(call: GatewayCall): Promise<GatewayAnswer> {
    const startedAtMs = ports.now();
    const id = createRequestId(startedAtMs);
    const record = openRecord(id, call.headers.traceparent);
    const open: OpenCall = { record, share: null };
    running++;
    let answer: GatewayAnswer;
    try {
      answer = isDraining ? errorAnswer("service_unavailable", id) : await answerCall(call, open, startedAtMs);
    } catch (error) {
      answer = answerFault(error, id);
    }
    record.status = answer.status;
    record.errorCode = answer.errorCode ?? null;
    if (answer.body instanceof Uint8Array) done(open);
    return answer;
  }

  function answerFault(error: unknown, id: string): GatewayAnswer {
    if (error instanceof BodyError) return errorAnswer("invalid_body", id, error);
    if (error instanceof BodyTooLargeError) return errorAnswer("body_too_large", id);
    if (error instanceof BodyTooSlowError) return errorAnswer("body_too_slow", id);
    if (error instanceof OverBudgetError) return refuseOverBudget(error, id);
    // Nobody reads the answer; it is no fault of ours that would have to be looked after.
    if (error instanceof RequestCutError) return errorAnswer("invalid_body", id, error);
    ports.log("error", "request_failed", { requestId: id, error: (error as Error).message });
    return errorAnswer("service_unavailable", id);
  }

  const done = ({ record, share }: OpenCall) => {
    running--;
    share?.release();
    record.endedAtMs = clockMs();
    if (isClosed && running === 0) closeTokenizer();
    ports.observe(record);
  };

  /** It dies with the process anyway. */
  const closeTokenizer = () => {
    workshop.tokenizer.close().catch(() => undefined);
  };

  async function answerCall(call: GatewayCall, open: OpenCall, startedAtMs: number): Promise<GatewayAnswer> {
    const { record } = open;
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
    const share = (open.share = requests.open(caller.userId));
    const body = await call.readBody({ maxBytes: maxBodyBytes, admit: (bytes) => share.take(bytes) });
    const scanned =
      body.length <= sliceBytes
        ? scanBody(body, billingKeys)
        : await scanBodyInTurns(body, billingKeys, { turns: workshop.turns, party: caller.userId });
    const facts = readCallFacts(endpoint, scanned);
    record.isStream = facts.isStream;
    const key = call.headers["idempotency-key"];
    const named =
      key === undefined
        ? null
        : await claimName(ports, {
            key,
            path: call.path,
            id,
            caller,
            body,
            turns: workshop.turns,
          });
    if (named && "answer" in named) return named.answer;
    const hold = await ports.placeHold({
      id,
      caller,
      endpoint: endpoint.name,
      hasOutput: endpoint.outputCap !== null,
      isStream: facts.isStream,
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
    // A whole answer is fetched to its end even where its client has left, and a stream where the setting says so, or
    // where the model reasons: its cost is then exact.
    const bodyToSend = bodyForUpstream(endpoint, scanned, facts, hold, caller);
    const exchange: Exchange = {
      id,
      userId: caller.userId,
      apiKeyId: caller.apiKeyId,
      startedAtMs,
      endpoint,
      facts,
      body: bodyToSend,
      inputTokens: createInputEstimate(workshop.tokenizer, bodyToSend, scanned.findings.textBytes),
      workshop,
      hold,
      named,
      signal: facts.isStream && !hold.doesReason && !ports.drainsOnDisconnect() ? call.signal : null,
      isCodex: isCodex(call.headers),
      heartbeatMs,
      open,
      done,
    };
    // Awaited, it is one turn of the promise's own; returned as it is, it would be three.
    return await dispatch(call, exchange);
  }

  async function dispatch(call: GatewayCall, exchange: Exchange): Promise<GatewayAnswer> {
    const { hold, facts, id } = exchange;
    const { record } = exchange.open;
    if (exchange.signal?.aborted) {
      await ports.settle({ hold, outcome: "released", reason: "client_left" });
      return errorAnswer("upstream_failed", id);
    }
    record.dispatchedAtMs = clockMs();
    const dispatched = await upstreams.dispatch(
      {
        path: exchange.endpoint.path.slice("/v1".length),
        headers: call.headers,
        body: exchange.body,
        model: facts.model,
        isStream: facts.isStream,
        userId: exchange.userId,
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
    streamingKeys: () => workshop.streams.apiKeyIds(),
    endStreams: (apiKeyId, refusal) => workshop.streams.end(apiKeyId, refusal),
    probe: (upstream, probeOptions) => upstreams.probe(upstream, probeOptions),
    recallResponse: (id) => recallResponse({ client: upstreams, turns: workshop.turns }, ports.listUpstreams(), id),
    drain: () => {
      isDraining = true;
    },
    close: async () => {
      isClosed = true;
      await upstreams.close();
      // What still runs has to be counted.
      if (running === 0) await workshop.tokenizer.close();
    },
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

/** So long a user's calls take to make room, as a guess. */
const roomMs = 1_000;

function refuseOverBudget({ whose, what }: OverBudgetError, id: string): GatewayAnswer {
  if (whose === "all") return errorAnswer("service_unavailable", id, { message: "The gateway has too much to do." });
  const message =
    what === "calls"
      ? "Too many requests of this user are under way."
      : "The requests of this user that are under way are too large together.";
  return errorAnswer("rate_limit_exceeded", id, { message, retryAfterMs: roomMs });
}

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
  const hasIdentifier = isGiven(body, "safety_identifier");
  if (takesIdentifier && !hasIdentifier) members.safety_identifier = caller.safetyIdentifier;
  return withMembers(body, members);
}
