/** The questions of the ledger to the database, with its orders as records in binary. */
import type { Database } from "@codex-gateway/db";
import { inputTokensOf, outputTokensOf, type UsageUnits } from "../usage-units.ts";
import { createBatchConnection } from "./batch-connection.ts";
import { RecordArray } from "./batch-records.ts";
import { clampedInt4, clampedInt4OrNull } from "../clamp.ts";
import type { Capture, DefaultLimits, DrawnHold, ExtendOutcome, Extension, HoldOrder, HoldOutcome } from "../ledger.ts";

/** `capture` null: the held money is given back. */
export type Settlement = { id: string; capture: Capture | null };

/** What came to something else than was asked for. */
export type Deviation = {
  id: string;
  /** `ended`: the id is a reserve's, and nothing more may be drawn from it. */
  outcome: HoldOutcome["outcome"] | "settled_now" | "settled_before" | "ended";
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

/** What is held for an id, nano-USD, and why that is not all that was asked for; `held`: it is. */
export type Extended = { id: string; outcome: ExtendOutcome["outcome"]; amount: string };

type Batch = {
  /** Placed before anything is settled, unless they are there. */
  drawn: DrawnHold[];
  /** Whether none of what was drawn can stand already. @throws DatabaseError 23505 where some does */
  areNew: boolean;
  /** No two of one hold. */
  settlements: Settlement[];
  holds: HoldOrder[];
  /** Of all these holds; null where one is not known, and the database looks them up. */
  wallets: string[] | null;
};

export type BatchQueries = {
  /** Places what was drawn, settles, and then decides about each hold in the order of arrival. */
  settleAndHold(batch: Batch, limits: DefaultLimits): Promise<Deviation[]>;
  /** Places the holds of each wallet that can hold all of them in full; answers the wallets of the others. */
  holdAll(holds: HoldOrder[], wallets: string[]): Promise<string[]>;
  /** Extends open holds, each as far as there is money; no id may stand twice. Answers for each of them. */
  extend(extensions: Extension[], wallets: string[]): Promise<Extended[]>;
  /** Sets money aside to draw holds from; answers the ids of the reserves that stand. */
  reserve(reserves: HoldOrder[]): Promise<string[]>;
  /** Gives the connection back until there is a next batch. */
  rest(): void;
};

/** `instance` owns the holds. */
export function createBatchQueries(pool: Database["pool"], instance: { id: string; epoch: bigint }): BatchQueries {
  const connection = createBatchConnection(pool);
  const settlementRecords = createSpares(settlementColumns);
  const holdRecords = createSpares(holdOrderColumns);
  const drawnRecords = createSpares(drawnHoldColumns);
  return {
    settleAndHold: async ({ drawn, areNew, settlements, holds, wallets }, limits) => {
      const [drawing, settling, holding] = [drawnRecords.take(), settlementRecords.take(), holdRecords.take()];
      const deviations = await connection.query<Deviation[]>((types) => {
        const values = [
          writeSettlements(settling, types.settlement, settlements),
          writeHoldOrders(holding, types.holdOrder, holds),
          holds.map(({ tokensBound }) => tokensBound),
          wallets,
          instance.id,
          instance.epoch,
          [limits.requestsPerMinute, limits.tokensPerMinute, limits.concurrentRequests],
        ];
        if (drawn.length === 0) {
          const text = "SELECT ledger_settle_and_hold($1, $2, $3, $4, $5, $6, $7)";
          return { name: "ledger_settle_and_hold", text, values };
        }
        return {
          name: "ledger_commit_pooled",
          text: "SELECT ledger_commit_pooled($1, $2, $3, $4, $5, $6, $7, $8, $9)",
          values: [writeDrawnHolds(drawing, types.drawnHold, drawn), areNew, ...values],
        };
      });
      drawnRecords.giveBack(drawing);
      settlementRecords.giveBack(settling);
      holdRecords.giveBack(holding);
      return deviations ?? [];
    },
    holdAll: async (holds, wallets) => {
      const holding = holdRecords.take();
      const left = await connection.query<string[]>((types) => ({
        name: "ledger_hold_all",
        text: "SELECT ledger_hold_all($1, $2, $3, $4)",
        values: [writeHoldOrders(holding, types.holdOrder, holds), wallets, instance.id, instance.epoch],
      }));
      holdRecords.giveBack(holding);
      return left ?? [];
    },
    extend: async (extensions, wallets) => {
      const extended = await connection.query<Extended[]>(() => ({
        name: "ledger_extend",
        text: "SELECT ledger_extend($1, $2, $3, $4)",
        values: [
          extensions.map(({ id }) => id),
          extensions.map(({ amountNanoUsd }) => String(amountNanoUsd)),
          extensions.map(({ tokensBound }) => tokensBound),
          wallets,
        ],
      }));
      return extended ?? [];
    },
    reserve: async (reserves) => {
      const holding = holdRecords.take();
      const placed = await connection.query<string[]>((types) => ({
        name: "ledger_reserve",
        text: "SELECT ledger_reserve($1, $2, $3)",
        values: [writeHoldOrders(holding, types.holdOrder, reserves), instance.id, instance.epoch],
      }));
      holdRecords.giveBack(holding);
      return placed ?? [];
    },
    rest: () => connection.giveBack(),
  };
}

/** What a batch was written with, for the next one: as garbage it would be megabytes a second. */
function createSpares(columns: number) {
  const spares: RecordArray[] = [];
  return {
    take: () => spares.pop() ?? new RecordArray(columns),
    giveBack: (records: RecordArray) => void spares.push(records),
  };
}

const settlementColumns = 17;
const holdOrderColumns = 9;
const drawnHoldColumns = 11;

/** In the order of the columns of PostgreSQL's type `settlement`; a release has no more than its id. */
function writeSettlements(records: RecordArray, typeOid: number, settlements: Settlement[]): Buffer {
  records.startArray(typeOid, settlements.length);
  for (const { id, capture } of settlements) {
    records.start();
    records.uuid(id);
    records.boolean(capture !== null);
    records.int8(capture && capture.costNanoUsd);
    records.text(capture && capture.basis);
    records.texts(capture && capture.flags);
    records.json(capture && jsonOf(capture.usage));
    records.int8(capture && inputTokensOf(capture.usage));
    records.int8(capture && outputTokensOf(capture.usage));
    records.text(capture && capture.servedModel);
    records.text(capture && capture.serviceTier);
    records.uuid(capture && capture.upstreamId);
    records.text(capture && capture.upstreamRequestId);
    records.text(capture && capture.upstreamResponseId);
    records.int4(capture && clampedInt4(capture.status));
    records.boolean(capture && capture.isStream);
    records.int4(capture && clampedInt4OrNull(capture.timeToFirstByteMs));
    records.int4(capture && clampedInt4(capture.latencyMs));
    records.end();
  }
  return records.bytes();
}

/** In the order of the columns of PostgreSQL's type `hold_order`. */
function writeHoldOrders(records: RecordArray, typeOid: number, orders: HoldOrder[]): Buffer {
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
  return records.bytes();
}

/** In the order of the columns of PostgreSQL's type `drawn_hold`. */
function writeDrawnHolds(records: RecordArray, typeOid: number, drawn: DrawnHold[]): Buffer {
  records.startArray(typeOid, drawn.length);
  for (const { hold, reserveId, instance } of drawn) {
    records.start();
    records.uuid(hold.id);
    records.uuid(reserveId);
    records.uuid(hold.accountId);
    records.uuid(hold.apiKeyId);
    records.int8(hold.amountNanoUsd);
    records.uuid(hold.priceVersionId);
    records.text(hold.endpoint);
    records.text(hold.model);
    records.int8(hold.inputTokensBound);
    records.uuid(instance.id);
    records.int8(instance.epoch);
    records.end();
  }
  return records.bytes();
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
