/**
 * The price book as admins keep it. A version is never edited: a change is a new one, and calls under way keep theirs.
 * Newly published prices are only proposed; an admin takes them over.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import { bandsOf, bandToJson, type PriceBandUsd } from "./price-bands.ts";
import type { PricesJson } from "./prices-json.ts";
import { publishedPrices, publishedTiers } from "./published-prices.ts";

export type PriceRow = {
  id: string;
  model: string;
  bands: PriceBandUsd[];
  /** Parts per million on top of which nothing else is added: 1 000 000 is the provider's own price. */
  markupPpm: number;
  contextTokens: number | null;
  maxOutputTokens: number | null;
  source: string;
  validFrom: Date;
  retiredAt: Date | null;
};

type Row = {
  id: string;
  model: string;
  prices: PricesJson;
  markup_ppm: number;
  context_tokens: number | null;
  max_output_tokens: number | null;
  source: string;
  valid_from: Date;
  retired_at: Date | null;
};

const toRow = (row: Row): PriceRow => ({
  id: row.id,
  model: row.model,
  bands: bandsOf(row.prices),
  markupPpm: row.markup_ppm,
  contextTokens: row.context_tokens,
  maxOutputTokens: row.max_output_tokens,
  source: row.source,
  validFrom: row.valid_from,
  retiredAt: row.retired_at,
});

const current = `SELECT DISTINCT ON (model) * FROM price_version WHERE retired_at IS NULL AND valid_from <= now()
  ORDER BY model, valid_from DESC, id DESC`;

/** The version that counts now, per model. `search` is a part of the model's name. */
export async function listPrices(
  { pool }: Pick<Database, "pool">,
  { search, limit, offset }: { search: string; limit: number; offset: number },
): Promise<{ prices: PriceRow[]; total: number }> {
  const { rows } = await pool.query<Row & { total: bigint }>(
    `SELECT p.*, count(*) OVER () AS total FROM (${current}) p WHERE strpos(p.model, lower($1)) > 0
     ORDER BY p.model LIMIT $2 OFFSET $3`,
    [search, limit, offset],
  );
  return { prices: rows.map(toRow), total: Number(rows[0]?.total ?? 0n) };
}

/** Every version of a model, newest first. @throws AppError `not_found` */
export async function readPriceHistory({ pool }: Pick<Database, "pool">, model: string): Promise<PriceRow[]> {
  const { rows } = await pool.query<Row>(
    "SELECT * FROM price_version WHERE model = $1 ORDER BY valid_from DESC, id DESC",
    [model],
  );
  if (rows.length === 0) throw new AppError("not_found", "There is no price for this model.");
  return rows.map(toRow);
}

type PriceChange = {
  model: string;
  bands: PriceBandUsd[];
  markupPpm: number;
  contextTokens: number | null;
  maxOutputTokens: number | null;
};

/** Adds a version that counts from now on. @throws AppError `invalid_input` where an amount is none */
export async function changePrice(db: Database, change: PriceChange & { actor: Actor }): Promise<void> {
  const { actor, model, bands, markupPpm, contextTokens, maxOutputTokens } = change;
  const [before] = await readPriceHistory(db, model).catch(() => []);
  const kept = before ? await multipliersOfVersion(db, before.id) : { tiersPpm: publishedTiers(model, new Date()) };
  const prices: PricesJson = { ...kept, bands: bands.map(bandToJson) };
  await inTransaction(db, async (client) => {
    await client.query(
      `INSERT INTO price_version (id, model, prices, markup_ppm, context_tokens, max_output_tokens, source)
       VALUES ($1, $2, $3, $4, $5, $6, 'admin')`,
      [randomUUID(), model, JSON.stringify(prices), markupPpm, contextTokens, maxOutputTokens],
    );
    await appendAudit(client, actor, {
      action: "update_price",
      targetKind: "price",
      targetId: model,
      details: {
        before: before && limitedPriceOf(before),
        after: { bands, markupPpm, contextTokens, maxOutputTokens },
      },
    });
  });
}

const limitedPriceOf = ({ bands, markupPpm, contextTokens, maxOutputTokens }: PriceRow) => ({
  bands,
  markupPpm,
  contextTokens,
  maxOutputTokens,
});

/** Tiers and windows stay as they are when the amounts change. */
async function multipliersOfVersion({ pool }: Pick<Database, "pool">, id: string): Promise<Omit<PricesJson, "bands">> {
  const { rows } = await pool.query<{ prices: PricesJson }>("SELECT prices FROM price_version WHERE id = $1", [id]);
  const { bands: _bands, ...rest } = rows[0]?.prices ?? { bands: [], tiersPpm: {} };
  return rest;
}

export type PriceProposal = {
  model: string;
  before: PriceBandUsd[] | null;
  after: PriceBandUsd[];
  /** What service tiers multiply tokens with; null where that stays as it is. */
  tiers: { before: Record<string, number>; after: Record<string, number> } | null;
  /** The most that the model answers with, where it was not known here; null: it was, or still is not. */
  maxOutputTokens: number | null;
};

/** Where the published prices differ from those that count here. What an admin set stays out of it. */
export async function proposePrices({ pool }: Pick<Database, "pool">, now = new Date()): Promise<PriceProposal[]> {
  const { rows } = await pool.query<Row>(current);
  const known = new Map(rows.map((row) => [row.model, row]));
  const published = new Map(publishedPrices(now).map((price) => [price.model, price]));
  return [...published.values()].flatMap(({ model, prices, maxOutputTokens }): PriceProposal[] => {
    const own = known.get(model);
    const after = bandsOf(prices);
    if (!own) return [{ model, before: null, after, tiers: null, maxOutputTokens }];
    const before = bandsOf(own.prices);
    const tiers = { before: multipliersOf(own.prices), after: multipliersOf(prices) };
    const isSameTiers = isDeepStrictEqual(tiers.before, tiers.after);
    const newMaximum = own.max_output_tokens === null ? maxOutputTokens : null;
    if (isSameTiers && newMaximum === null && inOrder(before) === inOrder(after)) return [];
    return [{ model, before, after, tiers: isSameTiers ? null : tiers, maxOutputTokens: newMaximum }];
  });
}

const multipliersOf = ({ tiersPpm }: PricesJson): Record<string, number> =>
  Object.fromEntries(Object.entries(tiersPpm).map(([tier, ppm]) => [tier, Number(ppm) / 1_000_000]));

/** The same text for the same prices: the database keeps an object's members in an order of its own. */
const inOrder = (bands: PriceBandUsd[]): string =>
  JSON.stringify(
    bands.map(({ aboveInputTokens, usdPerMillion }) => [aboveInputTokens, Object.entries(usdPerMillion).sort()]),
  );

/** Takes over the proposals for these models; answers how many there were. The markup stays. */
export async function applyProposals(
  db: Database,
  { models, actor }: { models: string[]; actor: Actor },
): Promise<number> {
  const wanted = new Set(models);
  const { rows } = await db.pool.query<Row>(current);
  const known = new Map(rows.map((row) => [row.model, row]));
  const published = [...new Map(publishedPrices(new Date()).map((price) => [price.model, price])).values()].filter(
    ({ model }) => wanted.has(model),
  );
  await inTransaction(db, async (client) => {
    for (const { model, prices, contextTokens, maxOutputTokens } of published) {
      const own = known.get(model);
      await client.query(
        `INSERT INTO price_version (id, model, prices, markup_ppm, context_tokens, max_output_tokens, source)
         VALUES ($1, $2, $3, $4, $5, $6, 'published')`,
        [
          randomUUID(),
          model,
          JSON.stringify(prices),
          own?.markup_ppm ?? 1_000_000,
          contextTokens,
          own?.max_output_tokens ?? maxOutputTokens,
        ],
      );
    }
    await appendAudit(client, actor, {
      action: "apply_prices",
      targetKind: "price",
      targetId: null,
      details: { models: published.map(({ model }) => model) },
    });
  });
  return published.length;
}
