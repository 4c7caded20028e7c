/** What the gateway asks of the world. Each port is a function of one verb; the server wires them to domain functions. */
import type { CallRecord } from "./call-record.ts";

/** Who is calling, as the key says. */
export type Caller = {
  apiKeyId: string;
  userId: string;
  accountId: string;
  /** Stable per-user hash, sent upstream as `safety_identifier` where the body has none. */
  safetyIdentifier: string;
  /** Empty: all. A name may end in `*`. */
  allowedModels: readonly string[];
};

/** A refusal that the ports may answer with; `errors.ts` gives each its status, type, code and headers. */
export type Refusal = {
  refused: RefusalCode;
  message?: string;
  param?: string;
  retryAfterMs?: number;
  /** When a used-up budget starts anew. */
  resetsAtMs?: number;
  /** Which limit of the caller's minute is used up. */
  exhausted?: "requests" | "tokens";
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
  | "service_tier_not_priced"
  | "response_not_found" // previous_response_id of somebody else
  | "resource_not_found" // any other thing that lies with a provider and is not the caller's
  | "resource_limit_reached" // too many things that lie with a provider
  | "charge_not_found"
  | "service_unavailable" // database down, draining, queue full
  | "upstream_unavailable";

/** At most 5 s old, dropped within 1 s of a change. `endpoint` is null for reads. */
type Authenticate = (query: {
  secret: string;
  endpoint: string | null;
  remoteAddress: string;
}) => Promise<Caller | Refusal> | Caller | Refusal;

/** Kinds of things that a provider keeps for whoever made them. */
export const resourceKinds = ["response", "conversation", "chat_completion"] as const;
export type ResourceKind = (typeof resourceKinds)[number];

/** A thing that a call names; `param` is the member of the body that names it, null where that is the path. */
export type ResourceRef = { kind: ResourceKind; id: string; param: string | null };

/** What lies with providers, and whose it is. */
type Resources = {
  /** The upstream where all of them lie; null: any will do. Refused where one is not the caller's, or not its model. */
  locate(query: {
    caller: Caller;
    resources: readonly ResourceRef[];
    model: string | null;
    /** What will be the caller's; refused where there is too much of it. */
    creates: ResourceKind | null;
  }): Promise<{ upstreamId: string | null } | Refusal>;
  /** From now on it is the caller's. Rejects where that cannot be written down. */
  add(resource: { caller: Caller; kind: ResourceKind; id: string; upstreamId: string }): Promise<void>;
  /** From now on it is nobody's. */
  remove(resource: { caller: Caller; kind: ResourceKind; id: string; upstreamId: string }): Promise<void>;
  /** Those of the caller behind the one of this id, by age; null: there is none of it. */
  list(query: {
    caller: Caller;
    kind: ResourceKind;
    after: string | null;
    order: "asc" | "desc";
    limit: number;
  }): Promise<{ id: string; upstreamId: string }[] | null>;
};

/** What a call cannot exceed; all counts of tokens. */
export type CostBound = {
  /** Strict upper bound of the input tokens that the body itself carries. */
  inputTokens: number;
  /** Things that become input though they are not in the body: an earlier response, files by address. */
  remoteInputs: number;
  /** Calls of the provider's own tools, each of which may bring input of its own. */
  hostedCalls: number;
  /** The client's own cap per choice; null: the client set none. */
  outputTokens: number | null;
  /** Completions billed per request (`n`, `best_of`, several prompts). */
  choices: number;
  /** Output tokens that no cap covers (a `prediction`'s length). */
  extraOutputTokens: number;
  /** Calls of the provider's own tools, by price class. */
  hosted: Usage;
  /** Classes beyond those of text that it may be billed in. */
  otherClasses: readonly string[];
  /** As asked for; null: the client left it open. */
  serviceTier: string | null;
};

export type HoldRequest = {
  id: string; // uuid v7, the request id
  caller: Caller;
  endpoint: string;
  hasOutput: boolean;
  /** A stream may be held for in part, and its hold extended while it runs. */
  isStream: boolean;
  model: string;
  /** What it goes on from: it must be the caller's, and the call goes where it lies. */
  resources: readonly ResourceRef[];
  /** What its answer is from then on, by its id: the caller's, once it is captured. */
  stores: ResourceKind | null;
  /** Whether its client named the call: that it is under way must then be known wherever the name is asked for. */
  isNamed: boolean;
  bound: CostBound;
  /** Counts the input that the body carries, a little above what it is; null: it cannot be counted now. */
  countInputTokens: () => Promise<number | null>;
};

/** A hold that stands. `grant` is handed back to the ports untouched. */
export type Hold = {
  held: true;
  id: string;
  /** Output cap per choice to send upstream; null: the client's own cap (or the model's maximum) is within the hold. */
  outputCapTokens: number | null;
  /** Whether that cap is what the balance, or a budget, affords: below what was asked for. */
  isCapLowered: boolean;
  /** Whether the model may write tokens that nobody sees. */
  doesReason: boolean;
  /** The most that can come of this call, for the sanity check of the upstream's usage. */
  inputTokens: number;
  outputTokens: number;
  /** So much of that output is held for. */
  heldOutputTokens: number;
  /** The upstream that holds what the call goes on from; null: any will do. */
  upstreamId: string | null;
  /** What is left of the caller's minute, told in `x-ratelimit-*`; null: the caller is not limited. */
  allowance: Allowance | null;
  grant: unknown;
};

export type Allowance = {
  requests: { limit: number; remaining: number } | null;
  tokens: { limit: number; remaining: number } | null;
};

type PlaceHold = (request: HoldRequest) => Promise<Hold | Refusal>;

/**
 * Holds for more output of a stream, of all choices and in all; asked again it changes nothing. `refusal`: nothing more can
 * be held, and the stream ends behind `heldOutputTokens`. @throws Error where nobody can say; the hold is as it was, or more
 */
type ExtendHold = (extension: {
  hold: Hold;
  outputTokens: number;
}) => Promise<{ heldOutputTokens: number; refusal: Refusal | null }>;

/** What came so far, written every 2 s of a stream and never awaited by it: what a crash is settled by. */
type Checkpoint = (progress: {
  hold: Hold;
  inputTokens: number;
  upstreamResponseId: string | null;
  observedOutputTokens: number;
}) => void;

/** Disjoint units by price class. */
export type Usage = Record<string, number>;

export type Basis = "exact" | "observed" | "estimate" | "orphan";

export type Attempt = {
  upstreamId: string;
  /** "answered", or why there was no answer. */
  outcome: string;
  status: number | null;
  /** Whether the provider may bill the operator for it. */
  mayBeBilled: boolean;
  startedAtMs: number;
  endedAtMs: number;
};

export type Settlement = { hold: Hold } & (
  | { outcome: "released"; reason: string }
  | {
      outcome: "captured";
      basis: Basis;
      usage: Usage;
      /** Where the upstream's numbers were not believed, or the answer was not whole. */
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
    }
);

/** Resolves when the settlement outlives this process. Never rejects for a reason the client could cause. */
type Settle = (settlement: Settlement) => Promise<void>;

type CallName = { apiKeyId: string; key: string; holdId: string };

/** What became of calls that their clients named. A name is per API key; it is free again when nothing was charged. */
export type Idempotency = {
  claim(name: CallName & { bodyDigest: Uint8Array }): Promise<
    | { outcome: "claimed" | "running" | "other_body" }
    /** Charged, and its answer is not kept. `holdId`: its request id. */
    | { outcome: "spent"; holdId: string; why: "died" | "streamed" | "not_kept" }
    | { outcome: "answered"; holdId: string; status: number; contentType: string; body: Uint8Array }
  >;
  keep(answer: CallName & { status: number; contentType: string; body: Uint8Array }): Promise<void>;
  giveUp(name: CallName): Promise<void>;
};

/** One place to send calls to; `baseUrl` without trailing slash, e.g. `https://api.openai.com/v1`. */
export type Upstream = {
  id: string;
  baseUrl: string;
  apiKey: string;
  organization: string | null;
  project: string | null;
  weight: number;
  /** False: it gets bodies without the members that are added here and that it can do without. */
  addsMembers?: boolean;
};

/** The enabled upstreams, read per request: must be a lookup in memory. */
type ListUpstreams = () => readonly Upstream[];

/** What a caller has left, as clients show it; `windows` are the budgets of its key, the shorter one first. */
export type CallerStatus = {
  /** In whole cents, as decimal text. */
  leftUsd: string;
  hasLeft: boolean;
  windows: { usedPercent: number; minutes: number; resetsAtMs: number }[];
};

/** Null where nobody can say soon enough. */
type ReadStatus = (caller: Caller) => Promise<CallerStatus | null>;

/** Whether what came of an answer is charged that its upstream has broken off. Must be a lookup in memory. */
type ChargesBrokenAnswers = () => boolean;

/** Read-only endpoints for key holders, answered as JSON. */
export type AnswerRead = (query: {
  name:
    "models" | "model" | "credits" | "charges" | "charge" | "key" | "usage" | "billing_subscription" | "billing_usage";
  caller: Caller;
  id: string | null;
  search: URLSearchParams;
}) => Promise<{ answer: unknown } | Refusal>;

/** Whether a stream whose client has left is read to its end, for its exact usage. Read per stream: must be a lookup in memory. */
type DrainsOnDisconnect = () => boolean;

/** Structured log; never a prompt, a body or a secret. */
export type Log = (level: "debug" | "info" | "warn" | "error", event: string, fields: Record<string, unknown>) => void;

/** Called once per call, when it is over: metrics and traces. Must not throw, and must be cheap. */
type Observe = (record: CallRecord) => void;

export type Ports = {
  authenticate: Authenticate;
  placeHold: PlaceHold;
  extendHold: ExtendHold;
  checkpoint: Checkpoint;
  settle: Settle;
  idempotency: Idempotency;
  resources: Resources;
  listUpstreams: ListUpstreams;
  drainsOnDisconnect: DrainsOnDisconnect;
  chargesBrokenAnswers: ChargesBrokenAnswers;
  answerRead: AnswerRead;
  readStatus: ReadStatus;
  now: () => number;
  log: Log;
  observe: Observe;
};
