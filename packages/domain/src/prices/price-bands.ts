/** The bands of a price as people read and write them: USD per million units by class, exact decimals. */
import { nanoUsdOf, usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import type { PricesJson } from "./prices-json.ts";

export type PriceBandUsd = { aboveInputTokens: number; usdPerMillion: Record<string, string> };

/** A pico-USD per unit is a micro-USD per million units. */
const usdPerMillionOf = (pico: string): string => usdOf(BigInt(pico) * 1_000n).replace(/\.?0+$/, "");

export const bandsOf = (prices: PricesJson): PriceBandUsd[] =>
  prices.bands.map(({ aboveInputTokens, picoUsdPerUnit }) => ({
    aboveInputTokens,
    usdPerMillion: Object.fromEntries(
      Object.entries(picoUsdPerUnit).map(([unitClass, pico]) => [unitClass, usdPerMillionOf(pico)]),
    ),
  }));

/** @throws AppError `invalid_input`, with the field, where an amount is none */
export function bandToJson({ aboveInputTokens, usdPerMillion }: PriceBandUsd): PricesJson["bands"][number] {
  const picoUsdPerUnit = Object.fromEntries(
    Object.entries(usdPerMillion).map(([unitClass, text]) => {
      const nanoUsd = nanoUsdOf(text);
      if (nanoUsd === null || nanoUsd < 0n || nanoUsd % 1_000n !== 0n) {
        throw new AppError(
          "invalid_input",
          "Enter dollars per million with at most six places.",
          `price.${aboveInputTokens}.${unitClass}`,
        );
      }
      return [unitClass, String(nanoUsd / 1_000n)];
    }),
  );
  return { aboveInputTokens, picoUsdPerUnit };
}
