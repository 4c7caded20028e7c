import type { OpenPrice } from "@codex-gateway/ledger";
import { costNanoUsd } from "./cost.ts";
import { pricesFromJson, type PricesJson } from "./prices-json.ts";

/** Opens a row of the price book: the ledger, which knows no prices, asks so what a usage costs. */
export const openPrice: OpenPrice = (stored) => {
  const prices = pricesFromJson(stored.prices as PricesJson, stored.markup_ppm);
  return (usage, serviceTier) => costNanoUsd(prices, usage, serviceTier);
};
