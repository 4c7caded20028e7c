/**
 * Hold → capture → release. Each batch is one SQL function call: it locks the accounts, settles, holds in the order of
 * arrival, and commits. It may be run twice with the same batch, so a connection that is lost during a commit is answered
 * by sending the same batch again.
 *
 * Settlements that nobody waits for lag behind holds, as long as these can be placed without what they would give back.
 */
import type { Database } from "@codex-gateway/db";
import type { UsageUnits } from "../prices/cost.ts";
import { createBatchQueries, type BatchQueries, type Deviation, type Settlement } from "./batch-queries.ts";
import { again, createGroupCommit } from "./group-commit.ts";

export type HoldOrder = {
  id: string;
  accountId: string;
  apiKeyId: string;
  priceVersionId: string;
  endpoint: string;
  model: string;
  inputTokensBound: number;
  /** The most the call can cost, nano-USD. */
  amountNanoUsd: bigint;
  /** The least that is worth holding where the output can be capped; null: all or nothing. */
  minAmountNanoUsd: bigint | null;
};

export type HoldOutcome =
  | { outcome: "held"; amountNanoUsd: bigint; allowance: Allowance | null }
  | { outcome: "insufficient" | "user_suspended" | "key_disabled" | "settled" | "daily_budget" | "monthly_budget" }
  | { outcome: RateLimit; retryAfterMs: number };

type RateLimit = "requests_per_minute" | "tokens_per_minute" | "concurrent_requests";

/** What is left of a limited key's or user's minute; null: no such limit. */
export type Allowance = {
  requests: { limit: number; remaining: number } | null;
  tokens: { limit: number; remaining: number } | null;
};

/** For users that have none of their own; null: unlimited. */
export type DefaultLimits = {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  concurrentRequests: number | null;
};

export type Capture = {
  id: string;
  costNanoUsd: bigint;
  usage: UsageUnits;
  basis: "exact" | "observed" | "estimate" | "orphan";
  flags: string[];
  servedModel: string | null;
  serviceTier: string | null;
  upstreamId: string | null;
  upstreamRequestId: string | null;
  upstreamResponseId: string | null;
  status: number;
  isStream: boolean;
  timeToFirstByteMs: number | null;
  latencyMs: number;
};

/** `mayLag` where nobody waits for it. */
type SettleOptions = { mayLag?: boolean };
type SettleOutcome = { didSettle: boolean; paidNanoUsd: bigint };

export type Ledger = {
  hold(order: HoldOrder): Promise<HoldOutcome>;
  /** Charges the cost, never more than what the hold and the free balance cover; the rest becomes a debt. */
  capture(capture: Capture, options?: SettleOptions): Promise<SettleOutcome>;
  /** Gives the held money back. */
  release(id: string, options?: SettleOptions): Promise<SettleOutcome>;
  /** Settles what lags as soon as it can be. */
  hurry(): void;
  /** The lowest id of a hold that is not known to be settled; ids rise with time. Null: none is open. */
  oldestOpenHold(): string | null;
  load(): { holdsOpen: number; queued: number };
  idle(): Promise<void>;
};

/** An order that was never sent: nothing of it can stand. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** The database has not answered a batch for a while. A hold that was rejected with it may stand: it is to be released. */
export class LedgerSlowError extends Error {
  override readonly name = "LedgerSlowError";
  constructor() {
    super("The ledger's database does not answer.");
  }
}

type HoldWaiting = { kind: "hold"; hold: HoldOrder };
type SettleWaiting = { kind: "settle" } & Settlement;
type Order = HoldWaiting | SettleWaiting;

const unlimited: DefaultLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
const areUnlimited = (limits: DefaultLimits) => Object.values(limits).every((limit) => limit === null);

/** `instance` owns the holds: when its lease runs out they are settled by others. `onBatch` is told of each commit. */
export function createLedger(
  pool: Database["pool"],
  instance: { id: string; epoch: bigint },
  {
    defaultLimits = () => unlimited,
    onBatch,
  }: { defaultLimits?: () => DefaultLimits; onBatch?: (orders: number, tookMs: number) => void } = {},
): Ledger {
  // One queue for both: two would wait for each other's lock on the same account, and commit twice as often.
  const queries = createBatchQueries(pool, instance);
  const state: State = { open: new Map(), judgedKeys: new Set() };
  const flushBatch = async (batch: Order[]) => {
    const startedAtMs = performance.now();
    const results = await flush(queries, defaultLimits(), batch, state);
    onBatch?.(batch.length, performance.now() - startedAtMs);
    return results;
  };
  const orders = createGroupCommit<Order, HoldOutcome | SettleOutcome>(flushBatch, {
    rest: () => queries.rest(),
    waitsForLagging: (order) => order.kind === "settle" || isJudged(order.hold, defaultLimits(), state),
    // Whoever waits for a hold is told that the database does not answer; a settlement waits for as long as it takes.
    isImpatient: ({ kind }) => kind === "hold",
    refuse: (order, { reason, wasSent }) => {
      if (wasSent) return new LedgerSlowError();
      if (order.kind === "hold") state.open.delete(order.hold.id);
      return new QueueFullError(
        reason === "full" ? "Too many requests are waiting for the ledger." : "The ledger's database does not answer.",
      );
    },
  });
  const settle = (id: string, capture: Capture | null, options?: SettleOptions) =>
    orders.add({ kind: "settle", id, capture }, options) as Promise<SettleOutcome>;
  return {
    hold: (hold) => {
      state.open.set(hold.id, hold.accountId);
      return orders.add({ kind: "hold", hold }) as Promise<HoldOutcome>;
    },
    capture: (capture, options) => settle(capture.id, capture, options),
    release: (id, options) => settle(id, null, options),
    hurry: () => orders.hurry(),
    oldestOpenHold: () => {
      let oldest: string | null = null;
      for (const id of state.open.keys()) if (oldest === null || id < oldest) oldest = id;
      return oldest;
    },
    load: () => ({ holdsOpen: state.open.size, queued: orders.queued() }),
    idle: () => orders.idle(),
  };
}

type State = {
  /** The accounts of the holds that are not known to be settled. */
  open: Map<string, string>;
  /** The keys whose last hold could not simply be placed in full: they have limits, or their money runs short. */
  judgedKeys: Set<string>;
};

/** Whether a hold is decided about by itself, and behind all settlements that have come before it. */
const isJudged = (hold: HoldOrder, limits: DefaultLimits, { judgedKeys }: State): boolean =>
  judgedKeys.has(hold.apiKeyId) || !areUnlimited(limits);

/** What became of each order; what is settled, or was not held, is open no more. */
async function flush(
  queries: BatchQueries,
  limits: DefaultLimits,
  orders: Order[],
  state: State,
): Promise<(HoldOutcome | SettleOutcome | typeof again)[]> {
  const holds: HoldOrder[] = [];
  const settles = new Map<string, SettleWaiting>();
  for (const order of orders) {
    if (order.kind === "hold") holds.push(order.hold);
    // Of two orders for one hold, the first one settles it.
    else if (!settles.has(order.id)) settles.set(order.id, order);
  }
  if (settles.size === 0 && !holds.some((hold) => isJudged(hold, limits, state)))
    return placeAll(queries, holds, state);
  const batch = { settlements: [...settles.values()], holds, wallets: walletsOf(settles, holds, state.open) };
  const deviations = new Map<string, Deviation>();
  for (const deviation of await queries.settleAndHold(batch, limits)) deviations.set(deviation.id, deviation);
  return orders.map((order) => {
    if (order.kind === "hold") return holdOutcomeOf(order.hold, deviations.get(order.hold.id), state);
    state.open.delete(order.id);
    return settles.get(order.id) === order ? settleOutcomeOf(order, deviations.get(order.id)) : nothingSettled;
  });
}

const uniqueViolation = "23505";

/** Those that cannot simply be placed in full are to be judged, and nothing of them stands. */
async function placeAll(
  queries: BatchQueries,
  holds: HoldOrder[],
  { judgedKeys }: State,
): Promise<(HoldOutcome | typeof again)[]> {
  const wallets = [...new Set(holds.map(({ accountId }) => accountId))];
  let left: string[];
  try {
    left = await queries.holdAll(holds, wallets);
  } catch (error) {
    // They stand already: the connection broke after their commit, and they were sent again.
    if ((error as { code?: string }).code !== uniqueViolation) throw error;
    left = wallets;
  }
  return holds.map((hold) => {
    if (!left.includes(hold.accountId)) return heldInFull(hold);
    judgedKeys.add(hold.apiKeyId);
    return again;
  });
}

const heldInFull = ({ amountNanoUsd }: HoldOrder): HoldOutcome => ({ outcome: "held", amountNanoUsd, allowance: null });

function holdOutcomeOf(hold: HoldOrder, deviation: Deviation | undefined, { open, judgedKeys }: State): HoldOutcome {
  if (!deviation) {
    judgedKeys.delete(hold.apiKeyId);
    return heldInFull(hold);
  }
  judgedKeys.add(hold.apiKeyId);
  const { outcome, amount, details = null } = deviation;
  if (outcome === "held") return { outcome, amountNanoUsd: BigInt(amount), allowance: details && allowanceOf(details) };
  open.delete(hold.id);
  switch (outcome) {
    case "requests_per_minute":
    case "tokens_per_minute":
    case "concurrent_requests":
      return { outcome, retryAfterMs: details?.retry_after_ms ?? 1_000 };
    case "settled_now":
    case "settled_before":
      throw new Error(`The ledger did not answer hold ${hold.id}.`);
    default:
      return { outcome };
  }
}

const allowanceOf = (details: NonNullable<Deviation["details"]>): Allowance => ({
  requests: details.limit_requests
    ? { limit: details.limit_requests, remaining: details.remaining_requests ?? 0 }
    : null,
  tokens: details.limit_tokens ? { limit: details.limit_tokens, remaining: details.remaining_tokens ?? 0 } : null,
});

const nothingSettled: SettleOutcome = { didSettle: false, paidNanoUsd: 0n };

function settleOutcomeOf({ capture }: SettleWaiting, deviation: Deviation | undefined): SettleOutcome {
  if (!deviation) return { didSettle: true, paidNanoUsd: capture?.costNanoUsd ?? 0n };
  return deviation.outcome === "settled_now"
    ? { didSettle: true, paidNanoUsd: BigInt(deviation.amount) }
    : nothingSettled;
}

/** Of all holds of a batch; null where one is another process's, which the database looks up. */
function walletsOf(
  settles: ReadonlyMap<string, SettleWaiting>,
  holds: HoldOrder[],
  open: ReadonlyMap<string, string>,
): string[] | null {
  const wallets = new Set<string>();
  for (const { accountId } of holds) wallets.add(accountId);
  for (const id of settles.keys()) {
    const wallet = open.get(id);
    if (wallet === undefined) return null;
    wallets.add(wallet);
  }
  return [...wallets];
}
