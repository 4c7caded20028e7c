/** Builds the gateway: what its calls share, and how each of them begins and ends, whatever becomes of it. */
import { createRequestBudget, defaultBudgets, type Budgets } from "./budgets.ts";
import { clockMs, openRecord } from "./call-record.ts";
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { answerPreflight, corsHeaders } from "./cors.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";
import { freeEndpoints } from "./endpoints/free-endpoints.ts";
import { createFreeRoutes } from "./endpoints/free-routes.ts";
import { endpoints as allEndpoints } from "./endpoints/index.ts";
import { errorAnswer } from "./errors.ts";
import type { OpenCall, Workshop } from "./exchange.ts";
import { createFreeCallLimit } from "./free-call-limit.ts";
import { handleCall } from "./handle.ts";
import { createTokenizer } from "./metering/tokenizer.ts";
import { createTurns } from "./metering/turns.ts";
import type { Ports, Refusal, Upstream } from "./ports.ts";
import { recallResponse, type RecalledResponse } from "./recall-response.ts";
import { answerFault } from "./refusals.ts";
import { createRequestId } from "./request-id.ts";
import { createAnswerBudget } from "./transport/answer-budget.ts";
import {
  backgroundReadLimits,
  createBackgroundReads,
  type BackgroundReadLimits,
} from "./transport/background-reads.ts";
import { defaultHeartbeatMs } from "./transport/heartbeat.ts";
import { createRunningStreams } from "./transport/running-streams.ts";
import {
  createUpstreamClient,
  defaultTimeouts,
  type OutboundProxy,
  type UpstreamClient,
  type UpstreamHealth,
  type UpstreamPolicy,
  type UpstreamVitals,
} from "./transport/upstream-client.ts";

export type GatewayOptions = {
  /** Read for each call. */
  requestPolicy?: () => RequestPolicy;
  heartbeatMs?: number;
  /** Read for each call. */
  upstreamPolicy?: () => UpstreamPolicy;
  budgets?: Partial<Budgets>;
  backgroundReads?: Partial<BackgroundReadLimits>;
  /** Between the gateway and its upstreams; null: none. */
  proxy?: OutboundProxy | null;
  endpoints?: readonly Endpoint[];
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

/** What an admin may change while it runs. */
export type RequestPolicy = {
  /** Of a body, and of what a packed one unpacks to. */
  maxBodyBytes: number;
  /** Of pages that may call from browsers, e.g. `https://chat.example.com`. */
  allowedOrigins: ReadonlySet<string>;
};

const defaultRequestPolicy: RequestPolicy = { maxBodyBytes: 25 * 1024 * 1024, allowedOrigins: new Set() };

const defaultPolicy = (): UpstreamPolicy => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: false });

export function createGateway(ports: Ports, options: GatewayOptions = {}): Gateway {
  const { heartbeatMs = defaultHeartbeatMs, upstreamPolicy = defaultPolicy } = options;
  const { requestPolicy = () => defaultRequestPolicy } = options;
  const budgets = { ...defaultBudgets(), ...options.budgets };
  const upstreams = createUpstreamClient(ports.now, upstreamPolicy, options.proxy ?? null);
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

  const done = ({ record, share }: OpenCall) => {
    running--;
    share?.release();
    record.endedAtMs = clockMs();
    if (isClosed && running === 0) closeTokenizer();
    ports.observe(record);
  };

  const services = {
    ports,
    upstreams,
    workshop,
    requests: createRequestBudget(budgets),
    freeRoutes: createFreeRoutes(freeEndpoints),
    freeCalls: createFreeCallLimit(budgets.freeCallsPerMinute),
    endpointsByPath: new Map((options.endpoints ?? allEndpoints).map((endpoint) => [endpoint.path, endpoint])),
    maxBodyBytes: () => requestPolicy().maxBodyBytes,
    heartbeatMs,
    done,
  };

  async function handle(call: GatewayCall): Promise<GatewayAnswer> {
    const startedAtMs = ports.now();
    const id = createRequestId(startedAtMs);
    const record = openRecord(id, call.headers.traceparent);
    const open: OpenCall = { record, share: null, startedAtMs };
    running++;
    const cors = corsHeaders(call, requestPolicy().allowedOrigins);
    let answer: GatewayAnswer;
    try {
      const preflight = cors && answerPreflight(call);
      if (preflight) answer = preflight;
      else answer = isDraining ? errorAnswer("service_unavailable", id) : await handleCall(services, call, open);
    } catch (error) {
      answer = answerFault(ports, error, id);
    }
    if (cors) Object.assign(answer.headers, cors);
    record.status = answer.status;
    record.errorCode = answer.errorCode ?? null;
    if (answer.body instanceof Uint8Array) done(open);
    return answer;
  }

  /** It dies with the process anyway. */
  const closeTokenizer = () => {
    workshop.tokenizer.close().catch(() => undefined);
  };

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
