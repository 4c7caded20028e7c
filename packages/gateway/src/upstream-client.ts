/**
 * Sends a call to one of the upstreams. A second upstream is asked only where the first one cannot have billed anything:
 * the connection failed, or it said 429 or 503. Never after a byte, never after a timeout.
 */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { errors, Pool, type Dispatcher } from "undici";
import { operatorHeaders, upstreamHeaders } from "./headers.ts";
import type { Attempt, Upstream } from "./ports.ts";
import { createDeadlines, TotalTimeoutError, type Deadline, type Deadlines } from "./deadlines.ts";
import { createConnector } from "./public-connector.ts";
import { UpstreamBody } from "./upstream-body.ts";

type UpstreamCall = {
  /** Path behind the base URL, e.g. `/chat/completions`. */
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Uint8Array;
  isStream: boolean;
  /** The user's id: their calls stay with one upstream, so that its prompt cache is hit. */
  stickyKey: string;
  /** The only upstream that can answer it; null: any. */
  upstreamId: string | null;
  signal: AbortSignal | null;
};

export type UpstreamAnswer = {
  upstream: Upstream;
  status: number;
  headers: IncomingHttpHeaders;
  body: UpstreamBody;
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
  idleMs: 60_000,
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
  fault: { reason: "key_refused" | "failing"; status: number | null; failedAtMs: number } | null;
  /** Null: it has not answered yet. */
  answeredAtMs: number | null;
};

class ClientLeftError extends Error {
  override readonly name = "ClientLeftError";
}

const maxAttempts = 2;
/** After so long there is no second attempt. */
const attemptsMs = 30_000;
/** So many failures in a row keep an upstream out for `openMs`; then the next real call is the probe. */
const failuresToOpen = 5;
const openMs = 10_000;
const probeMs = 10_000;

/** What an upstream comes to in this process; found once per upstream, not once per call. */
type Line = {
  origin: string;
  basePath: string;
  /** Names its breaker: the upstream, where it lies, and its key. */
  breakerKey: string;
  pool: { policy: UpstreamPolicy; connections: Pool } | null;
};

/** One connection pool per origin, made on its first call; a breaker per upstream and key. */
export function createUpstreamClient(now: () => number, policy: () => UpstreamPolicy): UpstreamClient {
  const lines = new WeakMap<object, Line>();
  const pools = new Map<string, Pool>();
  const answeredAtMs = new Map<string, number>();
  const breakers = new Map<string, Breaker>();
  const deadlines = createDeadlines();

  function lineOf(upstream: Pick<Upstream, "baseUrl" | "apiKey"> & { id?: string }): Line {
    let line = lines.get(upstream);
    if (!line) {
      const { id, baseUrl, apiKey } = upstream;
      const { origin, pathname } = new URL(baseUrl);
      const basePath = pathname.replace(/\/$/, "");
      line = { origin, basePath, breakerKey: `${id} ${baseUrl} ${apiKey}`, pool: null };
      lines.set(upstream, line);
    }
    return line;
  }

  function connectionsOf(line: Line, current: UpstreamPolicy): Pool {
    if (line.pool?.policy !== current) line.pool = { policy: current, connections: poolOf(line.origin, current) };
    return line.pool.connections;
  }

  /** Another policy gets another pool: a connection that stands was allowed by the one that it was made under. */
  function poolOf(origin: string, { allowsPrivateAddresses, timeouts: { connectMs } }: UpstreamPolicy): Pool {
    const key = `${origin} ${allowsPrivateAddresses} ${connectMs}`;
    let pool = pools.get(key);
    if (!pool) {
      pool = new Pool(origin, {
        connect: createConnector(connectMs, allowsPrivateAddresses),
        keepAliveTimeout: 30_000,
        pipelining: 1,
      });
      pools.set(key, pool);
    }
    return pool;
  }

  function note(upstream: Upstream, status: number | null, atMs: number): void {
    const { breakerKey } = lineOf(upstream);
    if (status !== null && status < 500 && status !== 429 && status !== 401 && status !== 403) {
      answeredAtMs.set(upstream.id, atMs);
      if (breakers.size > 0) breakers.delete(breakerKey);
      return;
    }
    const failures = (breakers.get(breakerKey)?.failures ?? 0) + 1;
    const isRefused = status === 401 || status === 403;
    const openUntilMs = isRefused || failures >= failuresToOpen ? atMs + openMs : 0;
    breakers.set(breakerKey, { failures, openUntilMs, status, failedAtMs: atMs });
  }

  const breakerOf = (upstream: Upstream) =>
    breakers.size === 0 ? undefined : breakers.get(lineOf(upstream).breakerKey);

  /** Resolves with the answer's head. `signal` ends the call, its body too. */
  function ask(call: UpstreamCall, upstream: Upstream): Promise<UpstreamAnswer> {
    const line = lineOf(upstream);
    const current = policy();
    const { timeouts } = current;
    return new Promise((resolve, reject) => {
      connectionsOf(line, current).dispatch(
        {
          path: line.basePath + call.path,
          method: "POST",
          headers: upstreamHeaders(call.headers, upstream, call.stickyKey),
          body: call.body,
          headersTimeout: call.isStream ? timeouts.streamHeadersMs : timeouts.wholeAnswerMs,
          bodyTimeout: timeouts.idleMs,
        },
        new AnswerHandler(upstream, call.signal, deadlines, timeouts.totalMs, resolve, reject),
      );
    });
  }

  return {
    async dispatch(call, upstreams) {
      const attempts: Attempt[] = [];
      const firstAtMs = now();
      const able = upstreams.filter(
        (upstream) =>
          (call.upstreamId === null || upstream.id === call.upstreamId) &&
          (breakerOf(upstream)?.openUntilMs ?? 0) <= firstAtMs,
      );
      const candidates = inOrder(able, call.stickyKey);
      const attemptsAtMost = Math.min(candidates.length, maxAttempts);
      let startedAtMs = firstAtMs;
      for (let n = 0; n < attemptsAtMost; n++) {
        const upstream = candidates[n] as Upstream;
        const isLast = (endedAtMs: number) => n === attemptsAtMost - 1 || endedAtMs - firstAtMs >= attemptsMs;
        let endedAtMs: number;
        try {
          const answer = await ask(call, upstream);
          endedAtMs = now();
          const { status } = answer;
          note(upstream, status, endedAtMs);
          attempts.push(attemptOf(upstream, "answered", status, isBillable(status), startedAtMs, endedAtMs));
          if ((status !== 429 && status !== 503) || isLast(endedAtMs)) return { answer, attempts };
          answer.body.destroy();
        } catch (error) {
          endedAtMs = now();
          const fault = faultOf(error);
          if (fault !== "aborted") note(upstream, null, endedAtMs);
          attempts.push(attemptOf(upstream, codeOf(error), null, fault !== "unavailable", startedAtMs, endedAtMs));
          if (fault !== "unavailable" || isLast(endedAtMs)) return { fault, attempts };
        }
        startedAtMs = endedAtMs;
      }
      return { fault: "unavailable", attempts };
    },
    health: (upstream) => {
      if ((breakerOf(upstream)?.failures ?? 0) > 0) return "failing";
      return answeredAtMs.has(upstream.id) ? "healthy" : "unused";
    },
    vitals: (upstream) => ({
      fault: openFaultOf(breakerOf(upstream)),
      answeredAtMs: answeredAtMs.get(upstream.id) ?? null,
    }),
    probe: async (upstream, { allowsPrivateAddresses }) => {
      const { origin, basePath } = lineOf(upstream);
      try {
        const { statusCode, body } = await poolOf(origin, { ...policy(), allowsPrivateAddresses }).request({
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
      const { statusCode, body } = await connectionsOf(line, policy()).request({
        path: line.basePath + path,
        method: "GET",
        headers: operatorHeaders(upstream),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { status: statusCode, body: await body.bytes() };
    },
    close: async () => {
      deadlines.close();
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

type Breaker = { failures: number; openUntilMs: number; status: number | null; failedAtMs: number };

/** It stays down after its pause, until a call goes through. */
function openFaultOf(breaker: Breaker | undefined): UpstreamVitals["fault"] {
  if (!breaker || breaker.openUntilMs === 0) return null;
  const { status, failedAtMs } = breaker;
  return { reason: status === 401 || status === 403 ? "key_refused" : "failing", status, failedAtMs };
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
  readonly #signal: AbortSignal | null;
  readonly #deadlines: Deadlines;
  readonly #totalMs: number;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #reject: (error: Error) => void;
  #body: UpstreamBody | null = null;
  #deadline: Deadline | null = null;
  #leave: (() => void) | null = null;

  constructor(
    upstream: Upstream,
    signal: AbortSignal | null,
    deadlines: Deadlines,
    totalMs: number,
    resolve: (answer: UpstreamAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#upstream = upstream;
    this.#signal = signal;
    this.#deadlines = deadlines;
    this.#totalMs = totalMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#deadline = this.#deadlines.set(controller, this.#totalMs);
    if (!this.#signal) return;
    this.#leave = () => controller.abort(new ClientLeftError());
    if (this.#signal.aborted) this.#leave();
    else this.#signal.addEventListener("abort", this.#leave, { once: true });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.#body = new UpstreamBody(controller);
    this.#resolve({ upstream: this.#upstream, status, headers, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#stopWatching();
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#stopWatching();
    if (this.#body) this.#body.end(error);
    else this.#reject(error);
  }

  #stopWatching(): void {
    if (this.#deadline) this.#deadlines.lift(this.#deadline);
    if (this.#leave) this.#signal?.removeEventListener("abort", this.#leave);
  }
}

/** By rendezvous hashing: a user keeps the upstream while it is there, and weights decide how many users each one has. */
function inOrder(upstreams: readonly Upstream[], stickyKey: string): readonly Upstream[] {
  if (upstreams.length < 2) return upstreams;
  const score = ({ id, weight }: Upstream) => {
    const share = (createHash("sha256").update(`${stickyKey} ${id}`).digest().readUInt32BE(0) + 1) / 2 ** 32;
    return -weight / Math.log(share);
  };
  return [...upstreams].sort((a, b) => score(b) - score(a));
}

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? (error as Error).name;

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

function faultOf(error: unknown): UpstreamFault {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return "timeout";
  if (error instanceof TotalTimeoutError) return "timeout";
  if (error instanceof ClientLeftError) return "aborted";
  return notConnected.has(codeOf(error)) ? "unavailable" : "failed";
}
