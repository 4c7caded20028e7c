/** The price book in the database: filled once from the published prices, and read from memory afterwards. */
import { randomUUID } from "node:crypto";
import { type Database, inTransaction, lockInTransaction } from "@codex-gateway/db";
import { createPriceBook, type PriceBook, type PriceVersion } from "./price-book.ts";
import { pricesFromJson, type PricesJson } from "./prices-json.ts";
import { findShutdownDay, isShutDown } from "./model-shutdowns.ts";
import type { PricedModel } from "./suggest-price.ts";
import { comingPrices, publishedPrices } from "./published-prices.ts";

/** Fills an empty book, announced changes included; two processes at once fill it once. */
export async function seedPrices(db: Pick<Database, "pool">, now = new Date()): Promise<void> {
  await inTransaction(db, async (client) => {
    await lockInTransaction(client, "priceBook");
    // Until 0.2 whoever filled the book took this one: such a process may start beside this one.
    await lockInTransaction(client, "alerts");
    const { rowCount } = await client.query("SELECT 1 FROM price_version LIMIT 1");
    if (rowCount !== 0) return;
    const rows = [...publishedPrices(now), ...comingPrices(now)].map(
      ({ model, prices, contextTokens, maxOutputTokens, validFrom }) => ({
        id: randomUUID(),
        model,
        prices,
        context_tokens: contextTokens,
        max_output_tokens: maxOutputTokens,
        valid_from: validFrom,
      }),
    );
    await client.query(
      `INSERT INTO price_version (id, model, prices, context_tokens, max_output_tokens, source, valid_from)
       SELECT r.id, r.model, r.prices, r.context_tokens, r.max_output_tokens, 'published', r.valid_from
       FROM jsonb_to_recordset($1::jsonb)
         AS r(id uuid, model text, prices jsonb, context_tokens int, max_output_tokens int, valid_from timestamptz)`,
      [JSON.stringify(rows)],
    );
  });
}

type OfferedModel = {
  id: string;
  createdAt: Date;
  /** The first day (UTC, `YYYY-MM-DD`) on which the provider does not serve it any more; null: none is announced. */
  shutdownDay: string | null;
};

export type LoadedPrices = { book: PriceBook; models: OfferedModel[] };

/** Loads the versions that count now: valid, not retired, the newest per model. */
export async function loadPrices(db: Pick<Database, "pool">, now = new Date()): Promise<LoadedPrices> {
  type Row = {
    id: string;
    model: string;
    prices: PricesJson;
    markup_ppm: number;
    context_tokens: number | null;
    max_output_tokens: number | null;
    source: string;
    valid_from: Date;
  };
  const { rows } = await db.pool.query<Row>(
    `SELECT id, model, prices, markup_ppm, context_tokens, max_output_tokens, source, valid_from FROM price_version
     WHERE retired_at IS NULL AND valid_from <= now() ORDER BY valid_from, id`,
  );
  const versions = rows.map((row): PriceVersion => ({
    id: row.id,
    model: row.source === "published" ? withoutLoosePrefix(row.model) : row.model,
    prices: pricesFromJson(row.prices, row.markup_ppm),
    contextTokens: row.context_tokens,
    maxOutputTokens: row.max_output_tokens,
  }));
  const models = new Map<string, OfferedModel>();
  for (const { model, valid_from } of rows) {
    if (model.endsWith("*") || isShutDown(model, now)) continue;
    const createdAt = models.get(model)?.createdAt ?? valid_from;
    models.set(model, { id: model, createdAt, shutdownDay: findShutdownDay(model) });
  }
  return { book: createPriceBook(versions), models: [...models.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** Returns each model's newest valid version as it lies in the database. */
export async function readPricedModels({
  pool,
}: Pick<Database, "pool">): Promise<(PricedModel & { markupPpm: number })[]> {
  type Row = {
    model: string;
    prices: PricesJson;
    context_tokens: number | null;
    max_output_tokens: number | null;
    markup_ppm: number;
    source: string;
  };
  const { rows } = await pool.query<Row>(
    `SELECT DISTINCT ON (model) model, prices, context_tokens, max_output_tokens, markup_ppm, source FROM price_version
     WHERE retired_at IS NULL AND valid_from <= now() ORDER BY model, valid_from DESC, id DESC`,
  );
  return rows.map((row) => ({
    model: row.source === "published" ? withoutLoosePrefix(row.model) : row.model,
    prices: row.prices,
    contextTokens: row.context_tokens,
    maxOutputTokens: row.max_output_tokens,
    markupPpm: row.markup_ppm,
  }));
}

/**
 * Older versions took published prefixes as they came (`gpt-5-nano-*`): they would price `gpt-5-nano-pro` as well. Such a
 * name now reaches its own dated snapshots only; a fine-tuned model's (`ft:…:*`) ends where the model's name does.
 */
const withoutLoosePrefix = (model: string): string => (model.endsWith(":*") ? model : model.replace(/-?\*$/, ""));
