/**
 * Hold → capture → release. Each batch is one SQL function call: it locks the accounts, settles, holds in the order of
 * arrival, and commits. It may be run twice with the same batch, so a connection that is lost during a commit is answered
 * by sending the same batch again.
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

type Order = { hold: HoldOrder } | { capture: Capture } | { release: string };
type Row = { hold_id: string; outcome: HoldOutcome["outcome"] | "settled_now"; amount_nano_usd: bigint };

/** `instance` owns the holds: when its lease runs out they are settled by others. */
export function createLedger(pool: Database["pool"], instance: { id: string; epoch: bigint }): Ledger {
  // One queue for both: two would wait for each other's lock on the same account, and commit twice as often.
  const orders = createGroupCommit((batch: Order[]) => flush(pool, instance, batch));
  const settle = async (order: Order): Promise<SettleOutcome> => {
    const row = await orders.add(order);
    return { didSettle: row !== null, paidNanoUsd: row?.amount_nano_usd ?? 0n };
  };
  return {
    hold: async (order) => {
      const row = await orders.add({ hold: order });
      if (!row || row.outcome === "settled_now") throw new Error(`The ledger did not answer hold ${order.id}.`);
      if (row.outcome !== "held") return { outcome: row.outcome };
      return { outcome: "held", amountNanoUsd: row.amount_nano_usd };
    },
    capture: (capture) => settle({ capture }),
    release: (id) => settle({ release: id }),
    idle: () => orders.idle(),
  };
}

/** What became of each order; null for one that had nothing to settle. */
async function flush(
  pool: Database["pool"],
  instance: { id: string; epoch: bigint },
  orders: Order[],
): Promise<(Row | null)[]> {
  const holds: object[] = [];
  const settles: object[] = [];
  for (const [ord, order] of orders.entries()) {
    if ("hold" in order) holds.push(holdColumns(order.hold, instance, ord));
    else if ("capture" in order) settles.push({ ...captureColumns(order.capture), ord, is_captured: true });
    else settles.push({ id: order.release, ord, is_captured: false });
  }
  const rows = await callTwiceIfLost(pool, JSON.stringify(settles), JSON.stringify(holds));
  const settled = new Map<string, Row>();
  const held = new Map<string, Row>();
  for (const row of rows) (row.outcome === "settled_now" ? settled : held).set(row.hold_id, row);
  return orders.map((order) => {
    if ("hold" in order) return held.get(order.hold.id) ?? null;
    const id = "capture" in order ? order.capture.id : order.release;
    const row = settled.get(id) ?? null;
    settled.delete(id); // of two orders for one hold, only the first one settled it
    return row;
  });
}

const holdColumns = (order: HoldOrder, instance: { id: string; epoch: bigint }, ord: number) => ({
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
});

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
async function callTwiceIfLost(pool: Database["pool"], settles: string, holds: string): Promise<Row[]> {
  const query = {
    name: "ledger_batch",
    text: "SELECT * FROM ledger_batch($1::jsonb, $2::jsonb)",
    values: [settles, holds],
  };
  try {
    return (await pool.query<Row>(query)).rows;
  } catch (error) {
    const { code = "", message = "" } = error as { code?: string; message?: string };
    if (!lostConnection.test(code) && !lostConnection.test(message)) throw error;
    return (await pool.query<Row>(query)).rows;
  }
}
