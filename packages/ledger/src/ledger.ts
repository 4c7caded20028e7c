/**
 * Hold → capture → release. A batch of orders is one SQL function call, or a few that do not need each other: each locks
 * the accounts, settles, holds in the order of arrival, and commits. It may be run twice with the same orders, so a
 * connection that is lost during a commit is answered by sending them again.
 *
 * Settlements that nobody waits for lag behind holds, as long as these can be placed without what they would give back. A
 * busy key's holds are drawn from a reserve, and lag as well.
 */
import type { Database } from "@codex-gateway/db";
import { codeOf } from "./batching/batch-errors.ts";
import { createBatchQueries, type Settlement } from "./batching/batch-queries.ts";
import { bisectBatch } from "./batching/bisect-batch.ts";
import { createContendedAccounts } from "./batching/contended-accounts.ts";
import type { DeadLetter } from "./durability/dead-letters.ts";
import {
  accountOf,
  createFlush,
  isJudged,
  type Order,
  type Outcome,
  type ReserveOutcome,
  type State,
} from "./batching/flush.ts";
import { createGroupCommit, Failed, type Flushed, type GroupCommitOptions } from "./batching/group-commit.ts";
import { findLockedAccounts } from "./batching/locked-accounts.ts";
import { createReserves, type Reserves } from "./batching/reserves.ts";
import { recordUnplaced, salvage } from "./durability/salvage.ts";
import { skipLocked } from "./batching/skip-locked.ts";
import type { OpenPrice } from "./stored-price.ts";
import type { UsageUnits } from "./usage-units.ts";

export { lockBalance } from "./balance.ts";
export { adjust, adjustBalance, type Adjustment, type CreditOutcome } from "./credit.ts";
export { storableText } from "./clamp.ts";
export { adoptSpools } from "./durability/adopt-spools.ts";
export { createCheckpoints, type Checkpoints } from "./durability/checkpoints.ts";
export { settleForTheDead } from "./durability/dead-processes.ts";
export {
  closeInstance,
  endAllLeases,
  heartbeatMs,
  leaseMs,
  openInstance,
  renewLease,
  restoreInstances,
  type Instance,
} from "./durability/instance.ts";
export { reapOrphans, settleOverdue, type RecallResponse } from "./durability/orphans.ts";
export { createReapGuard } from "./durability/reap-guard.ts";
export { type SettleOrder } from "./durability/settlement-lines.ts";
export { openSpool, type Spool } from "./durability/spool.ts";
export { nanoUsdOf, usdOf } from "./money.ts";
export type { OpenPrice } from "./stored-price.ts";
export { cachedTokensOf, inputTokensOf, isInput, isOutput, outputTokensOf, type UsageUnits } from "./usage-units.ts";
export { checkBooksIfDue, readBooksCheck } from "./verify/books-check.ts";
export { differences, readHead, takeHead, type BooksHead } from "./verify/books-head.ts";
export { spreadOf, type KeptHeads } from "./verify/verify-heads.ts";
export { verifyLedger, type Finding } from "./verify/verify.ts";

export type HoldOrder = {
  id: string;
  accountId: string;
  apiKeyId: string;
  priceVersionId: string;
  endpoint: string;
  model: string;
  inputTokensBound: number;
  /** The most tokens, of input and output, that it can use: what a limit of tokens takes until it is settled. */
  tokensBound: number;
  /** The most the call can cost, nano-USD. */
  amountNanoUsd: bigint;
  /** The least that is worth holding where the output can be capped; null: all or nothing. */
  minAmountNanoUsd: bigint | null;
};

/** A hold whose money is taken of a reserve, and which the database is told of when it settles anyway. */
export type DrawnHold = { hold: HoldOrder; reserveId: string; instance: { id: string; epoch: bigint } };

export type HoldOutcome =
  | { outcome: "held"; amountNanoUsd: bigint; allowance: Allowance | null }
  | { outcome: "insufficient" | "user_suspended" | "key_disabled" | "settled" | "daily_budget" | "monthly_budget" }
  | { outcome: RateLimit; retryAfterMs: number };

/** A hold is to be extended: `amountNanoUsd` and `tokensBound` are what it is to hold and may use from then on, in all. */
export type Extension = Pick<HoldOrder, "id" | "accountId" | "apiKeyId" | "amountNanoUsd" | "tokensBound">;

/** `amountNanoUsd`: what is held now. An outcome other than `held` says why that is not all that was asked for. */
export type ExtendOutcome = { outcome: Exclude<HoldOutcome["outcome"], RateLimit>; amountNanoUsd: bigint };

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

/** `mayLag` where nobody waits for it; `accountId` of a hold of another process, where it is known. */
type SettleOptions = { mayLag?: boolean; accountId?: string };
export type SettleOutcome = { didSettle: boolean; paidNanoUsd: bigint };

export type Ledger = {
  /** Of the price book that its holds name: what is settled by estimate is priced so. */
  readonly openPrice: OpenPrice;
  hold(order: HoldOrder): Promise<HoldOutcome>;
  /** As `hold`, without the database, where the key has a reserve; null where it has none. To be told to `place`. */
  draw(order: HoldOrder): DrawnHold | null;
  /** Resolves when the database has it. Of a process that is dead as well; doing so twice changes nothing. */
  place(drawn: DrawnHold): Promise<unknown>;
  /** Where `place` has failed; a settlement may have brought it along since then. */
  placeAgain(drawn: DrawnHold): Promise<unknown>;
  /** Holds more for a call that runs, as far as there is money. Asked again, it asks for what is still missing. */
  extend(extension: Extension): Promise<ExtendOutcome>;
  /** Resolves when the database has the hold, or could not take it. */
  untilPlaced(id: string): Promise<void>;
  /** Somebody's rights may have changed: the database is asked again. Resolves when each reserve is being given back. */
  endReserves(): Promise<void>;
  /** Charges the cost, never more than what the hold and the free balance cover; the rest becomes a debt. */
  capture(capture: Capture, options?: SettleOptions): Promise<SettleOutcome>;
  /** Gives the held money back. */
  release(id: string, options?: SettleOptions): Promise<SettleOutcome>;
  /** Settles what lags as soon as it can be. */
  hurry(): void;
  /** The lowest id of a hold that is not known to be settled; ids rise with time. Null: none is open. */
  oldestOpenHold(): string | null;
  /** `contended`: of the orders that are queued, those that wait for rows which somebody else has locked. */
  load(): { holdsOpen: number; queued: number; contended: number };
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

type Flush = (batch: Order[]) => Promise<Flushed<Outcome>[]>;

const unlimited: DefaultLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
const retryMs = 1_000;

export type LedgerOptions = {
  openPrice: OpenPrice;
  defaultLimits?: () => DefaultLimits;
  /** Told of each batch. */
  onBatch?: (orders: number, tookMs: number) => void;
  /** Told of each settlement that could not be entered as it was, and is kept as a dead letter. */
  onDeadLetter?: (letter: { requestId: string; outcome: DeadLetter["outcome"]; code: string }) => void;
};

/** `instance` owns the holds: when its lease runs out they are settled by others. */
export function createLedger(
  pool: Database["pool"],
  instance: { id: string; epoch: bigint },
  { openPrice, defaultLimits = () => unlimited, onBatch, onDeadLetter = () => undefined }: LedgerOptions,
): Ledger {
  // One queue for both: two would wait for each other's lock on the same account, and commit twice as often.
  const queries = createBatchQueries(pool, instance);
  const reserves: Reserves = createReserves({
    setAside: async (reserve) => {
      state.open.set(reserve.id, reserve.accountId);
      state.aside.set(reserve.id, reserve.accountId);
      const outcome = (await add({ kind: "reserve", reserve })) as ReserveOutcome;
      if (outcome === "unknown") throw new LedgerSlowError();
      if (outcome === "refused") {
        state.open.delete(reserve.id);
        state.aside.delete(reserve.id);
      }
      return outcome === "placed";
    },
    giveBack: (id) => releaseSoon(id),
  });
  const state: State = { open: new Map(), judgedKeys: new Set(), unplaced: new Map(), aside: new Map(), reserves };
  const abandoned = new WeakSet<Order>();
  /** By id: those that the database has not answered yet. */
  const askedHolds = new Map<string, Promise<HoldOutcome>>();
  const refuse: GroupCommitOptions<Order>["refuse"] = (order, { reason, wasSent }) => {
    abandoned.add(order);
    if (wasSent) return new LedgerSlowError();
    if (order.kind === "hold") state.open.delete(order.hold.id);
    return new QueueFullError(
      reason === "full" ? "Too many requests are waiting for the ledger." : "The ledger's database does not answer.",
    );
  };
  // Whoever waits for a hold is told that the database does not answer; a settlement waits for as long as it takes.
  const isImpatient = ({ kind }: Order) => kind === "hold" || kind === "extend";
  const isAbandoned = (order: Order) => abandoned.has(order);
  const findLocked = (accountIds: string[]) => findLockedAccounts(pool, accountIds);

  function createBisectedFlush(batchQueries: typeof queries): Flush {
    const flush = createFlush(batchQueries, state);
    const flushAll: Flush = async (batch) => {
      const outcomes = await flush(batch, defaultLimits());
      batch.forEach((order, at) => giveBackUnwanted(order, outcomes[at]));
      return outcomes;
    };
    return bisectBatch(flushAll, (order, error) => giveUp(flushAll, order, error));
  }

  /** A hold that was refused while it was under way, and then placed: its release may have come before it. */
  function giveBackUnwanted(order: Order, outcome: unknown): void {
    if (order.kind !== "hold" || !abandoned.has(order)) return;
    if ((outcome as Partial<HoldOutcome>).outcome === "held") releaseSoon(order.hold.id);
  }

  /** Answers an order that fails by itself, whatever it is sent with. */
  async function giveUp(flushAll: Flush, order: Order, error: unknown): Promise<Flushed<Outcome>> {
    try {
      if (order.kind === "settle") {
        const settle = async (settlement: Settlement) => {
          const [settled] = await flushAll([{ ...order, ...settlement }]);
          return settled as SettleOutcome;
        };
        const { outcome, settled } = await salvage({ pool, openPrice, settle }, order, error);
        if (outcome !== null) onDeadLetter({ requestId: order.id, outcome, code: codeOf(error) });
        return settled;
      }
      if (order.kind === "drawn") {
        const { id } = order.drawn.hold;
        await recordUnplaced({ pool }, order.drawn, error);
        onDeadLetter({ requestId: id, outcome: "unread", code: codeOf(error) });
        state.unplaced.delete(id);
        state.open.delete(id);
        return "refused";
      }
    } catch (fault) {
      return new Failed(fault);
    }
    return new Failed(error);
  }

  const slowQueries = createBatchQueries(pool, instance);
  const contended = createContendedAccounts<Order, Outcome>({
    findLocked,
    flush: createBisectedFlush(slowQueries),
    rest: () => slowQueries.rest(),
    isImpatient,
    isAbandoned,
    refuse,
  });
  const flushFree = skipLocked(createBisectedFlush(queries), {
    accountOf: (order) => accountOf(order, state),
    findLocked,
    park: (accountId, order) => contended.add(accountId, order, { wasSent: true }),
    isAbandoned,
  });
  const flushBatch = async (batch: Order[]) => {
    const startedAtMs = performance.now();
    const results = await flushFree(batch);
    onBatch?.(batch.length, performance.now() - startedAtMs);
    return results;
  };
  const orders = createGroupCommit<Order, Outcome>(flushBatch, {
    rest: () => queries.rest(),
    waitsForLagging: (order) =>
      order.kind === "settle" ||
      order.kind === "extend" ||
      (order.kind === "hold" && isJudged(order.hold, defaultLimits(), state)),
    isImpatient,
    refuse,
  });
  function add(order: Order, options?: { mayLag?: boolean }): Promise<Outcome> {
    const accountId = accountOf(order, state);
    if (accountId !== null && contended.has(accountId)) return contended.add(accountId, order);
    return orders.add(order, options);
  }
  /** Behind its hold: where this one's batch has to wait for a lock, a batch behind it may get it first. */
  function settle(id: string, capture: Capture | null, options: SettleOptions = {}): Promise<SettleOutcome> {
    const order: Order = { kind: "settle", id, capture, accountId: options.accountId ?? null };
    const send = () => add(order, options) as Promise<SettleOutcome>;
    const asked = askedHolds.get(id);
    return asked ? asked.then(send, send) : send();
  }
  function hold(order: HoldOrder): Promise<HoldOutcome> {
    state.open.set(order.id, order.accountId);
    // What is decided by what is left of the money is decided by all of it.
    if (isJudged(order, defaultLimits(), state)) reserves.endOf(order.accountId);
    const asked = add({ kind: "hold", hold: order }) as Promise<HoldOutcome>;
    askedHolds.set(order.id, asked);
    const forget = () => void askedHolds.delete(order.id);
    asked.then(forget, forget);
    return asked;
  }
  function place(drawn: DrawnHold): Promise<unknown> {
    const placing = add({ kind: "drawn", drawn }, { mayLag: true });
    // Another process's hold is not this one's to settle.
    if (drawn.instance.id === instance.id) {
      const { id, accountId } = drawn.hold;
      state.open.set(id, accountId);
      state.unplaced.set(id, { drawn, placing });
    }
    return placing;
  }
  /** Until it is done: while this process lives, nobody else gives it back. */
  function releaseSoon(id: string): void {
    settle(id, null, { mayLag: true }).catch(() => {
      setTimeout(() => releaseSoon(id), retryMs).unref();
    });
  }
  return {
    openPrice,
    hold,
    draw: (hold) => {
      if (isJudged(hold, defaultLimits(), state)) return null;
      const reserveId = reserves.draw(hold);
      return reserveId === null ? null : { hold, reserveId, instance };
    },
    place,
    placeAgain: (drawn) => (state.unplaced.has(drawn.hold.id) ? place(drawn) : Promise.resolve()),
    untilPlaced: async (id) => {
      await state.unplaced.get(id)?.placing.catch(() => undefined);
    },
    extend: (extension) => add({ kind: "extend", extension }) as Promise<ExtendOutcome>,
    endReserves: () => reserves.endAll(),
    capture: (capture, options) => settle(capture.id, capture, options),
    release: (id, options) => settle(id, null, options),
    hurry: () => orders.hurry(),
    oldestOpenHold: () => {
      let oldest: string | null = null;
      for (const id of state.open.keys()) if (oldest === null || id < oldest) oldest = id;
      return oldest;
    },
    load: () => ({
      holdsOpen: state.open.size,
      queued: orders.queued() + contended.queued(),
      contended: contended.queued(),
    }),
    idle: async () => {
      await orders.idle();
      await contended.idle();
    },
  };
}
