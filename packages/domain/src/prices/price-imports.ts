/** Prices of somebody else's list, kept as proposals until an admin takes them over or the next import replaces them. */
import type { Database, Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { readLiteLlmPrices } from "./litellm-prices.ts";
import type { PublishedPrice } from "./published-prices.ts";

export type ImportedPrice = Omit<PublishedPrice, "validFrom">;
export type ImportOutcome = { models: number; skipped: { model: string; reason: string }[] };

/**
 * Keeps the prices of `text`, LiteLLM's `model_prices_and_context_window.json`, in place of those that were imported before.
 * @throws AppError `invalid_input` where it is no such file, or has no price of the provider
 */
export async function importPrices(
  db: Database,
  { text, provider, source, actor }: { text: string; provider: string; source: string; actor: Actor },
): Promise<ImportOutcome> {
  const { prices, skipped } = readPrices(text, provider);
  if (prices.length === 0) throw new AppError("invalid_input", "There is no price of this provider in it.");
  await recordAct(db, actor, async (client) => {
    await client.query("DELETE FROM price_import");
    await client.query(
      `INSERT INTO price_import (model, prices, context_tokens, max_output_tokens, source)
       SELECT p.model, p.prices, p.context_tokens, p.max_output_tokens, $2
       FROM jsonb_to_recordset($1) AS p(model text, prices jsonb, context_tokens integer, max_output_tokens integer)`,
      [JSON.stringify(prices.map(toRecord)), source],
    );
    return {
      act: {
        action: "import_prices",
        targetKind: "price",
        targetId: null,
        before: null,
        after: { source, models: prices.length },
      },
      result: undefined,
    };
  });
  return { models: prices.length, skipped };
}

function readPrices(text: string, provider: string) {
  try {
    return readLiteLlmPrices(text, { provider, now: new Date() });
  } catch (error) {
    if (error instanceof SyntaxError) throw new AppError("invalid_input", "This is no file of prices in JSON.");
    throw error;
  }
}

const toRecord = ({ model, prices, contextTokens, maxOutputTokens }: ImportedPrice) => ({
  model,
  prices,
  context_tokens: contextTokens,
  max_output_tokens: maxOutputTokens,
});

/** Returns what is imported and not taken over yet, by name. */
export async function readImportedPrices(client: Queryable): Promise<ImportedPrice[]> {
  type Row = {
    model: string;
    prices: ImportedPrice["prices"];
    context_tokens: number | null;
    max_output_tokens: number | null;
  };
  const { rows } = await client.query<Row>("SELECT * FROM price_import ORDER BY model");
  return rows.map((row) => ({
    model: row.model,
    prices: row.prices,
    contextTokens: row.context_tokens,
    maxOutputTokens: row.max_output_tokens,
  }));
}
