/** State of one call on its way through the gateway, and what all calls share. */
import type { CallRecord } from "./call-record.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";
import type { NamedCall } from "./idempotency.ts";
import type { InputEstimate } from "./metering/estimate-tokens.ts";
import type { CallFacts } from "./metering/request-facts.ts";
import type { Tokenizer } from "./metering/tokenizer.ts";
import type { Turns } from "./metering/turns.ts";
import type { RequestShare } from "./budgets.ts";
import type { Hold } from "./ports.ts";
import type { AnswerBudget } from "./transport/answer-budget.ts";
import type { BackgroundReads } from "./transport/background-reads.ts";
import type { RunningStreams } from "./transport/running-streams.ts";

/** A call from its arrival to its end. */
export type OpenCall = {
  record: CallRecord;
  /** What it takes of its user's budget; null: it is not known yet whose call it is. */
  share: RequestShare | null;
  startedAtMs: number;
};

/** What all calls have in common. */
export type Workshop = {
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
  /** The members in it that are not the client's and that an upstream may do without. */
  added: readonly string[];
  bodyWithout: (names: ReadonlySet<string>) => Uint8Array;
  inputTokens: InputEstimate;
  workshop: Workshop;
  hold: Hold;
  /** Null where the client gave the call no name. */
  named: NamedCall | null;
  /** Aborts when the client has left; null where the answer is fetched to its end all the same. */
  signal: AbortSignal | null;
  /** Aborts when the client has left, also where the answer is fetched all the same. Made when it is asked for. */
  clientSignal: () => AbortSignal;
  /** Codex takes any event at any time, and hangs up where none comes. */
  isCodex: boolean;
  heartbeatMs: number;
  open: OpenCall;
  /** To be called once an answer that is no plain bytes is over and settled. */
  done: (open: OpenCall) => void;
};
