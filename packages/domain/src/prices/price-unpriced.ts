/** What an admin sees of the models that were asked for without a price, and how one is priced with a click. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { bandsOf, type PriceBandUsd } from "./price-bands.ts";
import { createPriceBook } from "./price-book.ts";
import { readPricedModels } from "./price-store.ts";
import { suggestPrice, type PriceSuggestion } from "./suggest-price.ts";

export type UnpricedModel = {
  model: string;
  requests: number;
  lastSeenAt: Date;
  /** Null: nothing here is like it. */
  suggestion: { kind: PriceSuggestion["kind"]; basedOn: string; bands: PriceBandUsd[] } | null;
};

/** Lists the models that still have no price, the most wanted first. */
export async function listUnpricedModels(db: Pick<Database, "pool">, now = new Date()): Promise<UnpricedModel[]> {
  const { rows } = await db.pool.query<{ model: string; requests: bigint; last_seen_at: Date }>(
    "SELECT model, requests, last_seen_at FROM unpriced_model ORDER BY requests DESC, model LIMIT 50",
  );
  if (rows.length === 0) return [];
  const priced = await readPricedModels(db);
  const book = createPriceBook(priced.map((each) => ({ ...each, id: each.model, prices: emptyPrices })));
  return rows
    .filter(({ model }) => book.find(model) === null)
    .map(({ model, requests, last_seen_at }) => {
      const suggestion = suggestPrice(model, priced, now);
      return {
        model,
        requests: Number(requests),
        lastSeenAt: last_seen_at,
        suggestion: suggestion && {
          kind: suggestion.kind,
          basedOn: suggestion.basedOn,
          bands: bandsOf(suggestion.prices),
        },
      };
    });
}

/** Only names are looked up in it. */
const emptyPrices = { bands: [], tiersPpm: {}, markupPpm: 1n };

/**
 * Sells the model at its suggested price from now on. `basedOn` is what the admin saw: where the suggestion has become
 * another one meanwhile, nothing is priced.
 * @throws AppError `not_found` where nothing is suggested, `conflict` where the suggestion has changed
 */
export async function priceUnpricedModel(
  db: Database,
  { model, basedOn, actor }: { model: string; basedOn: string; actor: Actor },
): Promise<void> {
  const found = (await listUnpricedModels(db)).find((each) => each.model === model);
  const priced = await readPricedModels(db);
  const suggestion = found && suggestPrice(model, priced, new Date());
  if (!suggestion) throw new AppError("not_found", "There is no suggestion for this model.");
  if (suggestion.basedOn !== basedOn) throw new AppError("conflict", "The suggestion has changed. Look at it again.");
  const markupPpm = priced.find((each) => each.model === suggestion.basedOn)?.markupPpm ?? 1_000_000;
  await recordAct(db, actor, async (client) => {
    await client.query(
      `INSERT INTO price_version (id, model, prices, markup_ppm, context_tokens, max_output_tokens, source)
       VALUES ($1, $2, $3, $4, $5, $6, 'admin')`,
      [
        randomUUID(),
        model,
        JSON.stringify(suggestion.prices),
        markupPpm,
        suggestion.contextTokens,
        suggestion.maxOutputTokens,
      ],
    );
    await client.query("DELETE FROM unpriced_model WHERE model = $1", [model]);
    return {
      act: {
        action: "update_price",
        targetKind: "price",
        targetId: model,
        before: null,
        after: { bands: bandsOf(suggestion.prices), markupPpm },
        details: { basedOn },
      },
      result: undefined,
    };
  });
}

/** Forgets a model until somebody asks for it again. @throws AppError `not_found` */
export async function dismissUnpricedModel(
  db: Database,
  { model, actor }: { model: string; actor: Actor },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const { rowCount } = await client.query("DELETE FROM unpriced_model WHERE model = $1", [model]);
    if (rowCount === 0) throw new AppError("not_found", "There is no such model.");
    return {
      act: {
        action: "dismiss_unpriced_model",
        targetKind: "price",
        targetId: model,
        before: { model },
        after: null,
      },
      result: undefined,
    };
  });
}
