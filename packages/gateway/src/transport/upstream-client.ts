/**
 * Sends a call to one of the upstreams. A second upstream is asked only where the first one cannot have billed anything:
 * the connection failed, or it said 429 or 503. Never after a byte, never after a timeout.
 */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { EnvHttpProxyAgent, errors, Pool, type buildConnector, type Dispatcher } from "undici";
import { operatorHeaders, upstreamHeaders } from "./headers.ts";
import { createBreakers, type CallOutcome } from "./breakers.ts";
import { GatheredBytes } from "./gathered-bytes.ts";
import type { Attempt, Upstream } from "../ports.ts";
import { createDeadlines, TotalTimeoutError, type Deadline, type Deadlines } from "./deadlines.ts";
import { decodeAnswer, encodingOf, type AnswerSink } from "./decode-answer.ts";
import { createConnector, requirePublicTarget } from "./public-connector.ts";
import { createRedactor, type Redactor } from "./redact.ts";
import { UpstreamBody } from "./upstream-body.ts";
import { readRefusal, type UpstreamRefusal } from "./upstream-refusal.ts";

export type UpstreamCall = {
  method: "GET" | "POST" | "DELETE";
  /** Path behind the base URL, e.g. `/chat/completions`. */
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Null: it has none. */
  body: Uint8Array | null;
  /** The members in it that are not the client's and that it can do without. */
  added: readonly string[];
  bodyWithout: (names: ReadonlySet<string>) => Uint8Array | null;
  model: string;
  isStream: boolean;
  /** Their calls stay with one upstream, so that its prompt cache is hit. */
  userId: string;
  /** The only upstream that can answer it; null: any. */
  upstreamId: string | null;
  signal: AbortSignal | null;
};

export type UpstreamAnswer = {
  upstream: Upstream;
  status: number;
  headers: IncomingHttpHeaders;
  body: UpstreamBody;
  /** What it says instead of an answer; null: it is one, and its body is still to be read. */
  refusal: UpstreamRefusal | null;
  /** Takes the operator's own out of what is said to clients. */
  redactor: Redactor;
};

type Dispatched = { answer: UpstreamAnswer; attempts: Attempt[] } | { fault: UpstreamFault; attempts: Attempt[] };
export type UpstreamFault = "unavailable" | "timeout" | "failed" | "aborted";

export type UpstreamTimeouts = {
  connectMs: number;
  /** Until the head of a stream is there. */
  streamHeadersMs: number;
  /** Until the head of a whole answer is there: the model has then said all of it. */
  wholeAnswerMs: number;
  /** Between two bytes. */
  idleMs: number;
  totalMs: number;
};
export const defaultTimeouts: UpstreamTimeouts = {
  connectMs: 10_000,
  streamHeadersMs: 120_000,
  wholeAnswerMs: 600_000,
  // Models that reason are silent for minutes.
  idleMs: 300_000,
  totalMs: 3_600_000,
};

/** What an admin may change while it runs; read for each call. */
export type UpstreamPolicy = {
  timeouts: UpstreamTimeouts;
  /** Whether an upstream may lie in a private network, or be plain http. */
  allowsPrivateAddresses: boolean;
};

export type UpstreamClient = {
  dispatch(call: UpstreamCall, upstreams: readonly Upstream[]): Promise<Dispatched>;
  health(upstream: Upstream): UpstreamHealth;
  vitals(upstream: Upstream): UpstreamVitals;
  /** Asks for its models; answers with the status, or why there was none. */
  probe(
    upstream: Pick<Upstream, "baseUrl" | "apiKey">,
    options: { allowsPrivateAddresses: boolean },
  ): Promise<{ status: number } | { error: Error & { code?: string } }>;
  /** What lies behind an address; never paid for. @throws Error where there is no answer within `timeoutMs` */
  read(upstream: Upstream, path: string, timeoutMs: number): Promise<{ status: number; body: Uint8Array }>;
  close(): Promise<void>;
};

/** `unused`: this process has not asked it yet. */
export type UpstreamHealth = "healthy" | "failing" | "unused";

/** What an operator should know of an upstream, as this process has seen it; times by the client's clock. */
export type UpstreamVitals = {
  /** Why calls are kept away from it: it refuses its key (401, 403), or failed too often in a row. Null: they are not. */
  fault: { reason: "key_refused" | "quota_used_up" | "failing"; status: number | null; failedAtMs: number } | null;
  /** Null: it has not answered yet. */
  answeredAtMs: number | null;
};

class ClientLeftError extends Error {
  override readonly name = "ClientLeftError";
}

/** All connections to the upstream are in use, and many calls wait already. Nothing was sent. */
class QueueFullError extends Error {
  override readonly name = "QueueFullError";
  readonly code = "QUEUE_FULL";
}

const maxAttempts = 2;
/** After so long there is no second attempt. */
const attemptsMs = 30_000;
const probeMs = 10_000;
/** Per upstream: connections, and calls that wait for one. */
const maxConnections = 2_048;
const maxWaiting = 2_048;
/** Of an answer's head, and of an error. */
const maxHeaderBytes = 16 * 1024;
const maxErrorBytes = 256 * 1024;
/** Of what a `GET` brings. */
const maxReadBytes = 16 * 1024 * 1024;

/** What an upstream comes to in this process; found once per upstream, not once per call. */
type Line = {
  origin: string;
  basePath: string;
  /** Names its breaker: the upstream, where it lies, and its key. */
  breakerKey: string;
  redactor: Redactor;
  pool: { policy: UpstreamPolicy; pool: CountedPool } | null;
};

/** `waiting`: calls that were given to it and are not on a connection yet. Each call of `fresh` has a connection of its own. */
type CountedPool = {
  connections: Dispatcher;
  fresh: Dispatcher;
  waiting: number;
  /** Behind a proxy: whether its target may be connected to. */
  target: { isAllowed: () => Promise<void>; checkedAtMs: number } | null;
};

/** As the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY say it. */
export type OutboundProxy = { httpProxy?: string; httpsProxy?: string; noProxy: string };

/** So long what a name leads to is believed. */
const targetMs = 30_000;

/** One connection pool per origin, made on its first call; breakers per upstream and key. */
export function createUpstreamClient(
  now: () => number,
  policy: () => UpstreamPolicy,
  proxy: OutboundProxy | null = null,
): UpstreamClient {
  const lines = new WeakMap<object, Line>();
  const pools = new Map<string, CountedPool>();
  const lastSeen = new Map<string, LastSeen>();
  /** By upstream and key: the members added here that it does not take. */
  const leftOut = new Map<string, Set<string>>();
  const breakers = createBreakers();
  const deadlines = createDeadlines();

  function lineOf(upstream: Pick<Upstream, "baseUrl" | "apiKey"> & Partial<Upstream>): Line {
    let line = lines.get(upstream);
    if (!line) {
      const { id, baseUrl, apiKey, organization = null, project = null } = upstream;
      const { origin, pathname } = new URL(baseUrl);
      const basePath = pathname.replace(/\/$/, "");
      const redactor = createRedactor({ baseUrl, apiKey, organization, project });
      line = { origin, basePath, breakerKey: `${id} ${baseUrl} ${apiKey}`, redactor, pool: null };
      lines.set(upstream, line);
    }
    return line;
  }

  function currentPoolOf(line: Line, current: UpstreamPolicy): CountedPool {
    if (line.pool?.policy !== current) line.pool = { policy: current, pool: poolOf(line.origin, current) };
    return line.pool.pool;
  }

  /** Another policy gets another pool: a connection that stands was allowed by the one that it was made under. */
  function poolOf(origin: string, { allowsPrivateAddresses, timeouts: { connectMs } }: UpstreamPolicy): CountedPool {
    const key = `${origin} ${allowsPrivateAddresses} ${connectMs}`;
    let pool = pools.get(key);
    if (!pool) {
      const options: Pool.Options = {
        connect: tellAge(createConnector(connectMs, allowsPrivateAddresses)),
        keepAliveTimeout: 30_000,
        pipelining: 1,
        connections: maxConnections,
        maxHeaderSize: maxHeaderBytes,
      };
      const open = () => (proxy ? new EnvHttpProxyAgent({ ...options, ...proxy }) : new Pool(origin, options));
      const isAllowed = () => requirePublicTarget(new URL(origin));
      const target = proxy && !allowsPrivateAddresses ? { isAllowed, checkedAtMs: -Infinity } : null;
      pool = { connections: open(), fresh: open(), waiting: 0, target };
      pools.set(key, pool);
    }
    return pool;
  }

  async function requireTarget({ target }: CountedPool): Promise<void> {
    if (!target || performance.now() - target.checkedAtMs < targetMs) return;
    await target.isAllowed();
    target.checkedAtMs = performance.now();
  }

  function note(call: UpstreamCall, upstream: Upstream, outcome: CallOutcome, nowMs: number): void {
    breakers.note({ ...triedOf(call, upstream), nowMs }, outcome);
    const isAlive = outcome.kind === "answered" || outcome.kind === "reached";
    const seen = lastSeen.get(upstream.id);
    if (!seen) lastSeen.set(upstream.id, { answeredAtMs: isAlive ? nowMs : null, isFailing: !isAlive, quota: null });
    else {
      seen.isFailing = !isAlive;
      if (isAlive) seen.answeredAtMs = nowMs;
    }
  }

  /** One refusal tells: the operator's account is used up for whoever asks. */
  function noteQuota({ id }: Upstream, status: number, refusal: UpstreamRefusal | null, nowMs: number): void {
    const seen = lastSeen.get(id);
    if (!seen) return;
    if (refusal?.about === "quota") seen.quota = { reason: "quota_used_up", status, failedAtMs: nowMs };
    else if (refusal === null) seen.quota = null;
  }

  const triedOf = (call: UpstreamCall, upstream: Upstream) => ({
    upstream: lineOf(upstream).breakerKey,
    model: call.model,
    userId: call.userId,
  });

  async function refusalOf(answer: UpstreamAnswer): Promise<UpstreamRefusal | null> {
    if (answer.status >= 200 && answer.status <= 299) return null;
    // Too large, or broken off: its status says enough.
    const body = await answer.body.readAll(maxErrorBytes).catch(() => new Uint8Array(0));
    return readRefusal(answer.status, body);
  }

  /** Asks again, once, where the connection had been kept and turned out to be closed: nobody has seen the call then. */
  async function ask(call: UpstreamCall, upstream: Upstream): Promise<UpstreamAnswer> {
    if (proxy) await requireTarget(currentPoolOf(lineOf(upstream), policy()));
    const sentAtMs = performance.now();
    try {
      return await send(call, upstream);
    } catch (error) {
      if (!isStale(error, sentAtMs)) throw error;
      return await send(call, upstream, { isFresh: true });
    }
  }

  /** Once more without a member that was added here, where the upstream does not take it; it is left out from then on. */
  async function askPlainly(call: UpstreamCall, upstream: Upstream): Promise<UpstreamAnswer> {
    for (;;) {
      const answer = await ask(call, upstream);
      answer.refusal = await refusalOf(answer);
      const refused = answer.refusal && refusedMember(answer.status, answer.refusal, call.added);
      const line = lineOf(upstream);
      const known = leftOut.get(line.breakerKey) ?? new Set();
      if (!refused || known.has(refused)) return answer;
      leftOut.set(line.breakerKey, known.add(refused));
    }
  }

  /** The added members that it is to get no body with; undefined: none. */
  function leftOutOf(call: UpstreamCall, upstream: Upstream): ReadonlySet<string> | undefined {
    if (upstream.addsMembers === false) return call.added.length === 0 ? undefined : new Set(call.added);
    return leftOut.size === 0 ? undefined : leftOut.get(lineOf(upstream).breakerKey);
  }

  /** Resolves with the answer's head. `signal` ends the call, its body too. */
  function send(call: UpstreamCall, upstream: Upstream, { isFresh = false } = {}): Promise<UpstreamAnswer> {
    const line = lineOf(upstream);
    const current = policy();
    const { timeouts } = current;
    const pool = currentPoolOf(line, current);
    if (pool.waiting >= maxWaiting) return Promise.reject(new QueueFullError());
    pool.waiting++;
    const without = leftOutOf(call, upstream);
    return new Promise((resolve, reject) => {
      (isFresh ? pool.fresh : pool.connections).dispatch(
        {
          origin: line.origin,
          path: line.basePath + call.path,
          method: call.method,
          headers: upstreamHeaders(call.headers, upstream, call.userId),
          body: without ? call.bodyWithout(without) : call.body,
          reset: isFresh,
          headersTimeout: call.isStream ? timeouts.streamHeadersMs : timeouts.wholeAnswerMs,
          bodyTimeout: timeouts.idleMs,
        },
        new AnswerHandler(upstream, line.redactor, pool, call.signal, deadlines, timeouts.totalMs, resolve, reject),
      );
    });
  }

  return {
    async dispatch(call, upstreams) {
      const attempts: Attempt[] = [];
      const firstAtMs = now();
      const able =
        call.upstreamId === null ? upstreams : upstreams.filter((upstream) => upstream.id === call.upstreamId);
      let startedAtMs = firstAtMs;
      let dispatched: Dispatched = { fault: "unavailable", attempts };
      for (const upstream of inOrder(able, call.userId)) {
        if (attempts.length === maxAttempts || startedAtMs - firstAtMs >= attemptsMs) break;
        if (!breakers.admits({ ...triedOf(call, upstream), nowMs: startedAtMs })) continue;
        let endedAtMs: number;
        try {
          const answer = await askPlainly(call, upstream);
          endedAtMs = now();
          const { status, refusal } = answer;
          note(call, upstream, outcomeOf(status, refusal), endedAtMs);
          noteQuota(upstream, status, refusal, endedAtMs);
          attempts.push(attemptOf(upstream, "answered", status, isBillable(status), startedAtMs, endedAtMs));
          dispatched = { answer, attempts };
          if (status !== 429 && status !== 503) return dispatched;
        } catch (error) {
          endedAtMs = now();
          const fault = faultOf(error);
          const code = codeOf(error);
          if (notConnected.has(code)) note(call, upstream, { kind: "unreachable", status: null }, endedAtMs);
          else if (fault === "failed" || fault === "timeout") {
            note(call, upstream, { kind: "failed", status: null }, endedAtMs);
          }
          attempts.push(attemptOf(upstream, code, null, fault !== "unavailable", startedAtMs, endedAtMs));
          dispatched = { fault, attempts };
          if (fault !== "unavailable") return dispatched;
        }
        startedAtMs = endedAtMs;
      }
      return dispatched;
    },
    health: ({ id }) => {
      const seen = lastSeen.get(id);
      if (!seen) return "unused";
      return seen.isFailing ? "failing" : "healthy";
    },
    vitals: (upstream) => {
      const seen = lastSeen.get(upstream.id);
      const closed = seen?.isFailing ? breakers.closedOf(lineOf(upstream).breakerKey) : null;
      const fault = seen?.quota ?? (closed && faultOfClosed(closed));
      return { fault, answeredAtMs: seen?.answeredAtMs ?? null };
    },
    probe: async (upstream, { allowsPrivateAddresses }) => {
      const { origin, basePath } = lineOf(upstream);
      try {
        const pool = poolOf(origin, { ...policy(), allowsPrivateAddresses });
        await requireTarget(pool);
        const { statusCode, body } = await pool.connections.request({
          origin,
          path: `${basePath}/models`,
          method: "GET",
          headers: { authorization: `Bearer ${upstream.apiKey}` },
          headersTimeout: probeMs,
          bodyTimeout: probeMs,
        });
        await body.dump();
        return { status: statusCode };
      } catch (error) {
        return { error: error as Error };
      }
    },
    read: async (upstream, path, timeoutMs) => {
      const line = lineOf(upstream);
      const pool = currentPoolOf(line, policy());
      await requireTarget(pool);
      const { statusCode, body } = await pool.connections.request({
        origin: line.origin,
        path: line.basePath + path,
        method: "GET",
        headers: operatorHeaders(upstream),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const gathered = new GatheredBytes(0);
      // Leaving the loop closes the connection.
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        gathered.push(chunk);
        if (gathered.length > maxReadBytes) throw new Error(`The answer has more than ${maxReadBytes} bytes.`);
      }
      return { status: statusCode, body: gathered.take() };
    },
    close: async () => {
      deadlines.close();
      const all = [...pools.values()].flatMap(({ connections, fresh }) => [connections, fresh]);
      await Promise.all(all.map((pool) => pool.destroy()));
    },
  };
}

/** How the calls to an upstream have fared, whatever its models. */
type LastSeen = { answeredAtMs: number | null; isFailing: boolean; quota: UpstreamVitals["fault"] };

/** It stays down after its pause, until a call goes through. */
const faultOfClosed = ({
  status,
  failedAtMs,
  isKeyRefused,
}: NonNullable<ReturnType<ReturnType<typeof createBreakers>["closedOf"]>>): UpstreamVitals["fault"] => ({
  reason: isKeyRefused ? "key_refused" : "failing",
  status,
  failedAtMs,
});

function outcomeOf(status: number, refusal: UpstreamRefusal | null): CallOutcome {
  switch (refusal?.about) {
    case undefined:
      return { kind: "answered" };
    case "key":
      return { kind: "key_refused", status };
    case "quota":
    case "rate":
    case "server":
      return { kind: "failed", status };
    default:
      // A name that is no model's, a policy, a body that is not liked: the caller is told, and nobody else is concerned.
      return { kind: "reached" };
  }
}

const attemptOf = (
  { id }: Upstream,
  outcome: string,
  status: number | null,
  mayBeBilled: boolean,
  startedAtMs: number,
  endedAtMs: number,
): Attempt => ({ upstreamId: id, outcome, status, mayBeBilled, startedAtMs, endedAtMs });

/** A request that was refused costs nothing; one that failed on the provider's side may have been worked on. */
const isBillable = (status: number) => status < 300 || (status >= 500 && status !== 503);

/** Gives a call's answer to whoever asked, and ends it where its client leaves or its time is over. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #upstream: Upstream;
  readonly #redactor: Redactor;
  readonly #pool: CountedPool;
  readonly #signal: AbortSignal | null;
  readonly #deadlines: Deadlines;
  readonly #totalMs: number;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #reject: (error: Error) => void;
  /** Where the answer's bytes go: into its body, or through what unpacks them. */
  #sink: Pick<AnswerSink, "push" | "end"> | null = null;
  #deadline: Deadline | null = null;
  #leave: (() => void) | null = null;
  #hasStarted = false;

  constructor(
    upstream: Upstream,
    redactor: Redactor,
    pool: CountedPool,
    signal: AbortSignal | null,
    deadlines: Deadlines,
    totalMs: number,
    resolve: (answer: UpstreamAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#upstream = upstream;
    this.#redactor = redactor;
    this.#pool = pool;
    this.#signal = signal;
    this.#deadlines = deadlines;
    this.#totalMs = totalMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#start();
    this.#deadline = this.#deadlines.set(controller, this.#totalMs);
    if (!this.#signal) return;
    this.#leave = () => controller.abort(new ClientLeftError());
    if (this.#signal.aborted) this.#leave();
    else this.#signal.addEventListener("abort", this.#leave, { once: true });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    const encoding = encodingOf(headers["content-encoding"]);
    const redactor = this.#redactor;
    const unpacked = encoding === null ? null : decodeAnswer(controller, encoding, redactor);
    const body = unpacked?.body ?? new UpstreamBody(controller, redactor.open?.());
    this.#sink = unpacked ?? body;
    this.#resolve({ upstream: this.#upstream, status, headers, body, refusal: null, redactor });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#sink?.push(chunk);
  }

  onResponseEnd(): void {
    this.#stopWatching();
    this.#sink?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#start();
    this.#stopWatching();
    if (this.#sink) this.#sink.end(error);
    else this.#reject(error);
  }

  /** On a connection, or given up before: in either case it waits no more. A retried start is none of ours. */
  #start(): void {
    if (!this.#hasStarted) this.#pool.waiting--;
    this.#hasStarted = true;
  }

  #stopWatching(): void {
    if (this.#deadline) this.#deadlines.lift(this.#deadline);
    if (this.#leave) this.#signal?.removeEventListener("abort", this.#leave);
  }
}

/** By rendezvous hashing: a user keeps the upstream while it is there, and weights decide how many users each one has. */
function inOrder(upstreams: readonly Upstream[], userId: string): readonly Upstream[] {
  if (upstreams.length < 2) return upstreams;
  const score = ({ id, weight }: Upstream) => {
    const share = (createHash("sha256").update(`${userId} ${id}`).digest().readUInt32BE(0) + 1) / 2 ** 32;
    return -weight / Math.log(share);
  };
  return [...upstreams].sort((a, b) => score(b) - score(a));
}

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? (error as Error).name;

type Aged = { openedAtMs?: number };

/** Lets the error of a connection say how old that is. */
const tellAge =
  (connect: buildConnector.connector): buildConnector.connector =>
  (options, callback) =>
    connect(options, (...opened) => {
      const openedAtMs = performance.now();
      opened[1]?.on("error", (error: Aged) => {
        error.openedAtMs = openedAtMs;
      });
      callback(...opened);
    });

const closedCodes = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** Whether a connection that stood before the call was sent has closed before a byte of an answer. */
const isStale = (error: unknown, sentAtMs: number): boolean =>
  closedCodes.has(codeOf(error)) && ((error as Aged).openedAtMs ?? Infinity) < sentAtMs;

/** Strict servers name the member that they do not know; null: none of ours. */
function refusedMember(status: number, { message, param, body }: UpstreamRefusal, added: readonly string[]) {
  if (status !== 400 && status !== 422) return null;
  const said = `${message ?? ""} ${param ?? ""} ${body ? Buffer.from(body).toString() : ""}`;
  return added.find((name) => said.includes(name)) ?? null;
}

/** Before the connection stands nothing was sent, so nothing can have been billed. */
const notConnected = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "PRIVATE_ADDRESS",
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** The proxy has made no connection: undici says that in words alone. */
const isProxysRefusal = (error: unknown): boolean => (error as Error).message.startsWith("Proxy response (");

function faultOf(error: unknown): UpstreamFault {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return "timeout";
  if (error instanceof TotalTimeoutError) return "timeout";
  if (error instanceof ClientLeftError) return "aborted";
  const isUnsent = error instanceof QueueFullError || notConnected.has(codeOf(error)) || isProxysRefusal(error);
  return isUnsent ? "unavailable" : "failed";
}
