/**
 * Settles what cannot be entered as it is: a settlement that fails by itself each time is entered without its details, or by
 * what is known of its hold, and kept as a dead letter. No settlement is tried for ever, and none is lost without a word.
 */
import type { Database } from "@codex-gateway/db";
import { kindOfBatchError } from "../batching/batch-errors.ts";
import { recordDeadLetter, type DeadLetter } from "./dead-letters.ts";
import type { Capture, DrawnHold, SettleOutcome } from "../ledger.ts";
import type { OpenPrice } from "../stored-price.ts";
import { findOpenHold, orphanCapture, seenOf } from "./orphans.ts";

type Settlement = { id: string; capture: Capture | null };

type Parts = {
  pool: Database["pool"];
  openPrice: OpenPrice;
  /** @throws Error where the database does not take it */
  settle: (settlement: Settlement) => Promise<SettleOutcome>;
};

/** @throws Error where the database does not answer: the settlement is to be tried again then */
export async function salvage(parts: Parts, settlement: Settlement, error: unknown): Promise<Salvaged> {
  const salvaged = await settleSomehow(parts, settlement);
  const { id, capture } = settlement;
  const { outcome } = salvaged;
  // Its hold was settled before: nothing is lost with it.
  if (outcome === null) return salvaged;
  await recordDeadLetter(parts, {
    holdId: isId(id) ? id : null,
    instanceId: null,
    line: lineOfDamaged(capture ? { capture } : { release: id }),
    reason: (error as Error).message,
    outcome,
  });
  return salvaged;
}

/** A drawn hold that the database refuses: what it comes to cannot be charged. @throws Error where nothing can be written */
export async function recordUnplaced(db: Pick<Database, "pool">, drawn: DrawnHold, error: unknown): Promise<void> {
  await recordDeadLetter(db, {
    holdId: isId(drawn.hold.id) ? drawn.hold.id : null,
    instanceId: null,
    line: lineOfDamaged({ drawn }),
    reason: (error as Error).message,
    outcome: "unread",
  });
}

/** As a log's line, whatever is wrong with the order. */
const lineOfDamaged = (order: object): Buffer =>
  Buffer.from(JSON.stringify(order, (_name, value: unknown) => (typeof value === "bigint" ? String(value) : value)));

type Salvaged = {
  /** Null: there was nothing left to settle. */
  outcome: DeadLetter["outcome"] | null;
  settled: SettleOutcome;
};

async function settleSomehow(parts: Parts, { id, capture }: Settlement): Promise<Salvaged> {
  if (!isId(id)) return { outcome: "unread", settled: nothingSettled };
  if (capture) {
    const exact = await attempt(parts, { id, capture: withoutDetails(capture) });
    if (exact) return { outcome: exact.didSettle ? "exact" : null, settled: exact };
    const hold = await findOpenHold(parts, id);
    if (!hold) return { outcome: null, settled: nothingSettled };
    const estimate = await attempt(parts, {
      id,
      capture: { ...orphanCapture(hold), ...seenOf(parts.openPrice, hold), basis: "estimate", flags: [unreadable] },
    });
    if (estimate) return { outcome: "estimate", settled: estimate };
  }
  const released = capture && (await attempt(parts, { id, capture: null }));
  if (released) return { outcome: "released", settled: released };
  return { outcome: "open", settled: nothingSettled };
}

const unreadable = "settlement_unreadable";
const nothingSettled: SettleOutcome = { didSettle: false, paidNanoUsd: 0n };
const isId = (id: string): boolean => /^[\da-f-]{36}$/i.test(id);

/** What the charge rests on, and nothing else: its price is found by usage and tier. */
const withoutDetails = ({ id, costNanoUsd, usage, basis, serviceTier }: Capture): Capture => ({
  id,
  costNanoUsd,
  usage,
  basis,
  flags: ["details_lost"],
  servedModel: null,
  serviceTier,
  upstreamId: null,
  upstreamRequestId: null,
  upstreamResponseId: null,
  status: 0,
  isStream: false,
  timeToFirstByteMs: null,
  latencyMs: 0,
});

/** Null where the database refuses it. @throws Error where it does not answer */
async function attempt({ settle }: Parts, settlement: Settlement): Promise<SettleOutcome | null> {
  try {
    return await settle(settlement);
  } catch (error) {
    if (kindOfBatchError(error) !== "data") throw error;
    return null;
  }
}
