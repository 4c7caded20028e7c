/** What the gateway asks of the world. Each port is a function of one verb; the server wires them to domain functions. */
import type { Endpoint } from "./endpoints.ts";

/** Who is calling, as the key says. */
export type Caller = {
  apiKeyId: string;
  userId: string;
  accountId: string;
  /** Stable per-user hash, sent upstream as `safety_identifier` where the body has none. */
  safetyIdentifier: string;
};

/** A refusal that the ports may answer with; `errors.ts` gives each its status, type, code and headers. */
export type Refusal = {
  refused: RefusalCode;
  message?: string;
  param?: string;
  retryAfterMs?: number;
  headers?: Record<string, string>;
};

export type RefusalCode =
  | "invalid_api_key"
  | "user_suspended"
  | "key_disabled"
  | "key_expired"
  | "address_not_allowed"
  | "endpoint_not_allowed"
  | "model_not_allowed"
  | "credit_balance_exhausted"
  | "project_spend_limit_exceeded"
  | "rate_limit_exceeded"
  | "model_not_found"
  | "model_not_priced"
  | "idempotency_conflict" // same Idempotency-Key, other body
  | "idempotency_in_progress"
  | "service_unavailable" // database down, draining, queue full
  | "upstream_unavailable";

/** Everything but the secret may be read in any process; at most 5 s old, dropped within 1 s of a change. */
export type Authenticate = (query: {
  secret: string;
  endpoint: Endpoint["name"];
  remoteAddress: string;
}) => Promise<Caller | Refusal> | Caller | Refusal;

/** Units that a call cannot exceed, by price class; all counts of tokens. */
export type CostBound = {
  /** Strict upper bound of input tokens (bytes of the body, image table, or the model's context where the input is remote). */
  inputTokens: number;
  /** true where the input is not in the body (previous_response_id, conversation, file ids …): bound by the model's context. */
  isInputRemote: boolean;
  /** The client's own cap times choices; null: the client set none. */
  outputTokens: number | null;
  /** Completions billed per request (`n`, `best_of`). */
  choices: number;
  /** Output tokens that no cap covers (a `prediction`'s length). */
  extraOutputTokens: number;
};

export type HoldRequest = {
  id: string; // uuid v7, the request id
  caller: Caller;
  endpoint: Endpoint["name"];
  model: string;
  serviceTier: string | null;
  bound: CostBound;
  idempotency: { key: string; bodyDigest: Uint8Array } | null;
};

/** A hold that stands. `grant` is handed back to `settle` untouched. */
export type Hold = {
  held: true;
  id: string;
  /** Output cap per choice to send upstream; null: the client's own cap (or the model's maximum) is within the hold. */
  outputCapTokens: number | null;
  /** What the held money bounds, for the sanity check of the upstream's usage. */
  inputTokens: number;
  outputTokens: number;
  /** Headers for the client, e.g. the gateway's `x-ratelimit-*`. */
  headers: Record<string, string>;
  grant: unknown;
};

/** The finished answer of an earlier request with the same Idempotency-Key. */
export type Replay = { replay: { status: number; contentType: string; body: Uint8Array; requestId: string } };

export type PlaceHold = (request: HoldRequest) => Promise<Hold | Replay | Refusal>;

/** Written after the first byte, then every 2 s or 256 tokens; never awaited by the stream. */
export type Checkpoint = (progress: {
  hold: Hold;
  upstreamResponseId: string | null;
  observedOutputTokens: number;
  firstByteAtMs: number;
}) => void;

/** Disjoint units by price class. */
export type Usage = {
  input: number;
  cached_input: number;
  cache_write: number;
  output: number;
  audio_input?: number;
  audio_output?: number;
  image_input?: number;
  image_output?: number;
  [unitClass: string]: number | undefined;
};

export type Basis = "exact" | "observed" | "estimate" | "orphan";

export type Attempt = {
  n: number;
  upstreamId: string;
  outcome: string;
  status: number | null;
  maybeBilled: boolean;
  startedAtMs: number;
  endedAtMs: number;
};

export type Settlement = {
  hold: Hold;
  attempts: Attempt[];
} & (
  | { outcome: "released"; reason: string }
  | {
      outcome: "captured";
      basis: Basis;
      usage: Usage;
      /** Set where the upstream's numbers were not believed (negative, cached > input, beyond twice the bound, clamped). */
      flags: string[];
      /** As served, from the terminal answer; null: not said. */
      serviceTier: string | null;
      servedModel: string | null;
      upstreamId: string;
      upstreamRequestId: string | null;
      upstreamResponseId: string | null;
      status: number;
      isStream: boolean;
      timeToFirstByteMs: number | null;
      latencyMs: number;
      /** The whole answer, kept where an Idempotency-Key came with the request and the answer is small enough. */
      answer: { status: number; contentType: string; body: Uint8Array } | null;
    }
);

/** Resolves when the settlement is durable (database, or the local fsynced spool). Never rejects for a reason the client could cause. */
export type Settle = (settlement: Settlement) => Promise<void>;

/** One place to send calls to; `baseUrl` without trailing slash, e.g. `https://api.openai.com/v1`. */
export type Upstream = {
  id: string;
  baseUrl: string;
  apiKey: string;
  organization: string | null;
  project: string | null;
  weight: number;
};

/** The enabled upstreams, read per request: must be a lookup in memory. */
export type ListUpstreams = () => readonly Upstream[];

/** Structured log; never a prompt, a body or a secret. */
export type Log = (level: "info" | "warn" | "error", event: string, fields: Record<string, unknown>) => void;

export type Ports = {
  authenticate: Authenticate;
  placeHold: PlaceHold;
  checkpoint: Checkpoint;
  settle: Settle;
  listUpstreams: ListUpstreams;
  /** Read-only endpoints for key holders: `GET /v1/models`, `/v1/credits`, `/v1/charges`… answered by the domain as JSON. */
  answerRead: (query: {
    name: "models" | "model" | "credits" | "charges" | "charge";
    caller: Caller;
    id: string | null;
    search: URLSearchParams;
  }) => Promise<{ status: number; body: unknown; headers?: Record<string, string> } | Refusal>;
  now: () => number;
  log: Log;
};
