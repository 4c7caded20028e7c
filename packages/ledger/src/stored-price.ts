import type { UsageUnits } from "./usage-units.ts";

/** A row of the price book as it lies there: the ledger hands it on and does not read it. */
export type StoredPrice = { prices: unknown; markup_ppm: number };

/**
 * Opens a price: what the ledger is told of prices. The function that it returns says what a usage costs in nano-USD, by the
 * tier that the call was served in, and throws where the usage is none.
 */
export type OpenPrice = (stored: StoredPrice) => (usage: UsageUnits, serviceTier: string | null) => bigint;
