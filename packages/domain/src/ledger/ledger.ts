/**
 * Hold → capture → release. Each batch is one SQL function call: it locks the accounts, decides in the order of arrival,
 * writes and commits. Both functions may be run twice with the same batch, so a connection that is lost during a commit
 * is answered by sending the same batch again.
 */
import type { Database } from "@codex-gateway/db";
import type { UsageUnits } from "../prices/cost.ts";
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
  | { outcome: "held"; amountNanoUsd: bigint }
  | { outcome: "insufficient" | "user_suspended" | "key_disabled" | "settled" };

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

export type SettleOutcome = { didSettle: boolean; paidNanoUsd: bigint };

export type Ledger = {
  hold(order: HoldOrder): Promise<HoldOutcome>;
  /** Charges the cost, never more than what the hold and the free balance cover; the rest becomes a debt. */
  capture(capture: Capture): Promise<SettleOutcome>;
  /** Gives the held money back. */
  release(id: string): Promise<SettleOutcome>;
  idle(): Promise<void>;
};

type SettleOrder = { isCaptured: true; capture: Capture } | { isCaptured: false; id: string };

/** `instance` owns the holds: when its lease runs out they are settled by others. */
export function createLedger(pool: Database["pool"], instance: { id: string; epoch: bigint }): Ledger {
  const holds = createGroupCommit((orders: HoldOrder[]) => flushHolds(pool, instance, orders));
  const settles = createGroupCommit((orders: SettleOrder[]) => flushSettles(pool, orders));
  return {
    hold: (order) => holds.add(order),
    capture: (capture) => settles.add({ isCaptured: true, capture }),
    release: (id) => settles.add({ isCaptured: false, id }),
    idle: async () => {
      await holds.idle();
      await settles.idle();
    },
  };
}

async function flushHolds(
  pool: Database["pool"],
  instance: { id: string; epoch: bigint },
  orders: HoldOrder[],
): Promise<HoldOutcome[]> {
  const items = orders.map((order, ord) => ({
    id: order.id,
    ord,
    account_id: order.accountId,
    api_key_id: order.apiKeyId,
    amount: String(order.amountNanoUsd),
    min_amount: order.minAmountNanoUsd === null ? null : String(order.minAmountNanoUsd),
    price_version_id: order.priceVersionId,
    endpoint: order.endpoint,
    model: order.model,
    input_tokens_bound: order.inputTokensBound,
    instance_id: instance.id,
    instance_epoch: String(instance.epoch),
  }));
  type Row = { hold_id: string; outcome: HoldOutcome["outcome"]; granted_nano_usd: bigint };
  const rows = await callTwiceIfLost<Row>(pool, "hold_batch", items);
  const byId = new Map(rows.map((row) => [row.hold_id, row]));
  return orders.map(({ id }) => {
    const row = byId.get(id);
    if (!row) throw new Error(`The ledger did not answer hold ${id}.`);
    return row.outcome === "held" ? { outcome: "held", amountNanoUsd: row.granted_nano_usd } : { outcome: row.outcome };
  });
}

async function flushSettles(pool: Database["pool"], orders: SettleOrder[]): Promise<SettleOutcome[]> {
  const items = orders.map((order, ord) =>
    order.isCaptured
      ? { ...captureColumns(order.capture), ord, is_captured: true }
      : { id: order.id, ord, is_captured: false },
  );
  type Row = { hold_id: string; did_settle: boolean; paid_nano_usd: bigint };
  const rows = await callTwiceIfLost<Row>(pool, "settle_batch", items);
  const byId = new Map(rows.map((row) => [row.hold_id, row]));
  return items.map(({ id }) => {
    const row = byId.get(id);
    byId.delete(id); // of two orders for one hold, only the first one settled it
    return { didSettle: row?.did_settle ?? false, paidNanoUsd: row?.paid_nano_usd ?? 0n };
  });
}

function captureColumns(capture: Capture) {
  return {
    id: capture.id,
    cost: String(capture.costNanoUsd),
    usage: capture.usage,
    basis: capture.basis,
    flags: capture.flags,
    served_model: capture.servedModel,
    service_tier: capture.serviceTier,
    upstream_id: capture.upstreamId,
    upstream_request_id: capture.upstreamRequestId,
    upstream_response_id: capture.upstreamResponseId,
    status: capture.status,
    is_stream: capture.isStream,
    time_to_first_byte_ms: capture.timeToFirstByteMs,
    latency_ms: capture.latencyMs,
  };
}

const lostConnection = /^(08|57P)|ECONNRESET|ECONNREFUSED|EPIPE|terminated/;

/** Runs the batch; where the connection broke and nobody knows whether it committed, runs the same batch once more. */
async function callTwiceIfLost<Row extends object>(
  pool: Database["pool"],
  fn: "hold_batch" | "settle_batch",
  items: object[],
): Promise<Row[]> {
  const query = { name: fn, text: `SELECT * FROM ${fn}($1::jsonb)`, values: [JSON.stringify(items)] };
  try {
    return (await pool.query<Row>(query)).rows;
  } catch (error) {
    const { code = "", message = "" } = error as { code?: string; message?: string };
    if (!lostConnection.test(code) && !lostConnection.test(message)) throw error;
    return (await pool.query<Row>(query)).rows;
  }
}
