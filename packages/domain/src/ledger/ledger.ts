/**
 * Hold → capture → release. Each batch is one SQL function call: it locks the accounts, settles, holds in the order of
 * arrival, and commits. It may be run twice with the same batch, so a connection that is lost during a commit is answered
 * by sending the same batch again.
 */
import type { Database } from "@codex-gateway/db";
import { inputTokensOf, type UsageUnits } from "../prices/cost.ts";
import { createBatchConnection, type BatchConnection } from "./batch-connection.ts";
import { RecordArray } from "./batch-records.ts";
import { createGroupCommit } from "./group-commit.ts";

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

type SettleOutcome = { didSettle: boolean; paidNanoUsd: bigint };

export type Ledger = {
  hold(order: HoldOrder): Promise<HoldOutcome>;
  /** Charges the cost, never more than what the hold and the free balance cover; the rest becomes a debt. */
  capture(capture: Capture): Promise<SettleOutcome>;
  /** Gives the held money back. */
  release(id: string): Promise<SettleOutcome>;
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
type SettleWaiting = { kind: "settle"; id: string; capture: Capture | null };
type Order = HoldWaiting | SettleWaiting;
/** What came to something else than was asked for. */
type Deviation = {
  id: string;
  outcome: HoldOutcome["outcome"] | "settled_now" | "settled_before";
  /** Nano-USD. */
  amount: string;
  details?: {
    retry_after_ms?: number;
    limit_requests?: number | null;
    remaining_requests?: number;
    limit_tokens?: number | null;
    remaining_tokens?: number;
  } | null;
};

const unlimited: DefaultLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };

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
  const connection = createBatchConnection<Deviation>(pool);
  /** The accounts of the holds that are not known to be settled. */
  const open = new Map<string, string>();
  const flushBatch = async (batch: Order[]) => {
    const startedAtMs = performance.now();
    const results = await flush(connection, instance, defaultLimits(), batch, open);
    onBatch?.(batch.length, performance.now() - startedAtMs);
    return results;
  };
  const orders = createGroupCommit<Order, HoldOutcome | SettleOutcome>(flushBatch, {
    rest: () => connection.giveBack(),
    // Whoever waits for a hold is told that the database does not answer; a settlement waits for as long as it takes.
    isImpatient: ({ kind }) => kind === "hold",
    refuse: (order, { reason, wasSent }) => {
      if (wasSent) return new LedgerSlowError();
      if (order.kind === "hold") open.delete(order.hold.id);
      return new QueueFullError(
        reason === "full" ? "Too many requests are waiting for the ledger." : "The ledger's database does not answer.",
      );
    },
  });
  const settle = (id: string, capture: Capture | null) =>
    orders.add({ kind: "settle", id, capture }) as Promise<SettleOutcome>;
  return {
    hold: (hold) => {
      open.set(hold.id, hold.accountId);
      return orders.add({ kind: "hold", hold }) as Promise<HoldOutcome>;
    },
    capture: (capture) => settle(capture.id, capture),
    release: (id) => settle(id, null),
    oldestOpenHold: () => {
      let oldest: string | null = null;
      for (const id of open.keys()) if (oldest === null || id < oldest) oldest = id;
      return oldest;
    },
    load: () => ({ holdsOpen: open.size, queued: orders.queued() }),
    idle: () => orders.idle(),
  };
}

function holdOutcomeOf(order: HoldOrder, deviation: Deviation | undefined): HoldOutcome {
  if (!deviation) return { outcome: "held", amountNanoUsd: order.amountNanoUsd, allowance: null };
  const { outcome, amount, details = null } = deviation;
  switch (outcome) {
    case "held":
      return { outcome, amountNanoUsd: BigInt(amount), allowance: details && allowanceOf(details) };
    case "requests_per_minute":
    case "tokens_per_minute":
    case "concurrent_requests":
      return { outcome, retryAfterMs: details?.retry_after_ms ?? 1_000 };
    case "settled_now":
    case "settled_before":
      throw new Error(`The ledger did not answer hold ${order.id}.`);
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

const settlementColumns = 17;
const holdOrderColumns = 9;
/** What a batch was written with, for the next one: as garbage it would be megabytes a second. */
const spareRecords: { settlements: RecordArray; holds: RecordArray }[] = [];
const newRecords = () => ({
  settlements: new RecordArray(settlementColumns),
  holds: new RecordArray(holdOrderColumns),
});

/** What became of each order; what is settled, or was not held, is `open` no more. */
async function flush(
  connection: BatchConnection<Deviation>,
  instance: { id: string; epoch: bigint },
  limits: DefaultLimits,
  orders: Order[],
  open: Map<string, string>,
): Promise<(HoldOutcome | SettleOutcome)[]> {
  const holds: HoldOrder[] = [];
  const settles = new Map<string, SettleWaiting>();
  for (const order of orders) {
    if (order.kind === "hold") holds.push(order.hold);
    // Of two orders for one hold, the first one settles it.
    else if (!settles.has(order.id)) settles.set(order.id, order);
  }
  const wallets = walletsOf(settles, holds, open);
  const records = spareRecords.pop() ?? newRecords();
  const deviations = new Map<string, Deviation>();
  const answer = await connection.query((types) => {
    writeSettlements(records.settlements, types.settlement, settles);
    writeHoldOrders(records.holds, types.holdOrder, holds);
    return [
      records.settlements.bytes(),
      records.holds.bytes(),
      wallets,
      instance.id,
      instance.epoch,
      [limits.requestsPerMinute, limits.tokensPerMinute, limits.concurrentRequests],
    ];
  });
  spareRecords.push(records);
  for (const deviation of answer ?? []) deviations.set(deviation.id, deviation);
  return orders.map((order) => {
    if (order.kind === "hold") {
      const outcome = holdOutcomeOf(order.hold, deviations.get(order.hold.id));
      if (outcome.outcome !== "held") open.delete(order.hold.id);
      return outcome;
    }
    open.delete(order.id);
    return settles.get(order.id) === order ? settleOutcomeOf(order, deviations.get(order.id)) : nothingSettled;
  });
}

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

/** In the order of the columns of PostgreSQL's type `settlement`; a release has no more than its id. */
function writeSettlements(records: RecordArray, typeOid: number, settles: ReadonlyMap<string, SettleWaiting>): void {
  records.startArray(typeOid, settles.size);
  for (const { id, capture } of settles.values()) {
    records.start();
    records.uuid(id);
    records.boolean(capture !== null);
    records.int8(capture && capture.costNanoUsd);
    records.text(capture && capture.basis);
    records.texts(capture && capture.flags);
    records.json(capture && jsonOf(capture.usage));
    records.int8(capture && inputTokensOf(capture.usage));
    records.int8(capture && (capture.usage.output ?? 0));
    records.text(capture && capture.servedModel);
    records.text(capture && capture.serviceTier);
    records.uuid(capture && capture.upstreamId);
    records.text(capture && capture.upstreamRequestId);
    records.text(capture && capture.upstreamResponseId);
    records.int4(capture && capture.status);
    records.boolean(capture && capture.isStream);
    records.int4(capture && capture.timeToFirstByteMs);
    records.int4(capture && capture.latencyMs);
    records.end();
  }
}

/** In the order of the columns of PostgreSQL's type `hold_order`. */
function writeHoldOrders(records: RecordArray, typeOid: number, orders: HoldOrder[]): void {
  records.startArray(typeOid, orders.length);
  for (const order of orders) {
    records.start();
    records.uuid(order.id);
    records.uuid(order.accountId);
    records.uuid(order.apiKeyId);
    records.int8(order.amountNanoUsd);
    records.int8(order.minAmountNanoUsd);
    records.uuid(order.priceVersionId);
    records.text(order.endpoint);
    records.text(order.model);
    records.int8(order.inputTokensBound);
    records.end();
  }
}

/** Price classes and counts need no escapes. */
function jsonOf(usage: UsageUnits): string {
  let text = "";
  for (const unitClass in usage) {
    const units = usage[unitClass];
    if (units !== undefined) text += `${text === "" ? "" : ","}"${unitClass}":${units}`;
  }
  return `{${text}}`;
}
