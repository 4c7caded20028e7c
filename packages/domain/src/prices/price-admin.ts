/**
 * The price book as admins keep it. A version is never edited: a change is a new one, and calls under way keep theirs.
 * Newly published prices are only proposed; an admin takes them over.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type Database, lockInTransaction, type Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { bandsOf, bandToJson, type PriceBandUsd } from "./price-bands.ts";
import { readImportedPrices, type ImportedPrice } from "./price-imports.ts";
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
  const newBands = bands.map(bandToJson);
  await recordAct(db, actor, async (client) => {
    await lockInTransaction(client, "priceBook");
    const before = await newestVersion(client, model);
    const prices: PricesJson = { ...multipliersOfVersion(before, model), bands: newBands };
    await retireAnnounced(client, model);
    await client.query(
      // Not now(), which is when the transaction began: it may have waited for the one before it.
      `INSERT INTO price_version (id, model, prices, markup_ppm, context_tokens, max_output_tokens, source, valid_from)
       VALUES ($1, $2, $3, $4, $5, $6, 'admin', clock_timestamp())`,
      [randomUUID(), model, JSON.stringify(prices), markupPpm, contextTokens, maxOutputTokens],
    );
    return {
      act: {
        action: "update_price",
        targetKind: "price",
        targetId: model,
        before: before && limitedPriceOf(toRow(before)),
        after: { bands, markupPpm, contextTokens, maxOutputTokens },
      },
      result: undefined,
    };
  });
}

/** Takes back the changes that the provider has announced: what an admin sets stays until an admin changes it. */
async function retireAnnounced(client: Queryable, model: string): Promise<void> {
  await client.query(
    `UPDATE price_version SET retired_at = clock_timestamp()
     WHERE model = $1 AND source = 'published' AND valid_from > clock_timestamp() AND retired_at IS NULL`,
    [model],
  );
}

/** Of those that have begun, whatever its state, a retired one included; null where the model has none. */
async function newestVersion(client: Queryable, model: string): Promise<Row | null> {
  const { rows } = await client.query<Row>(
    `SELECT * FROM price_version WHERE model = $1 AND valid_from <= clock_timestamp()
     ORDER BY valid_from DESC, id DESC LIMIT 1`,
    [model],
  );
  return rows[0] ?? null;
}

const limitedPriceOf = ({ bands, markupPpm, contextTokens, maxOutputTokens }: PriceRow) => ({
  bands,
  markupPpm,
  contextTokens,
  maxOutputTokens,
});

/** Tiers and windows stay as they are when the amounts change. */
function multipliersOfVersion(before: Row | null, model: string): Omit<PricesJson, "bands"> {
  if (!before) return { tiersPpm: publishedTiers(model, new Date()) };
  const { bands: _bands, ...rest } = before.prices;
  return rest;
}

export type PriceProposal = {
  model: string;
  /** Of the provider's own list here, or of one that was imported. */
  origin: "published" | "imported";
  before: PriceBandUsd[] | null;
  after: PriceBandUsd[];
  /** What service tiers multiply tokens with; null where that stays as it is. */
  tiers: { before: Record<string, number>; after: Record<string, number> } | null;
  /** The most that the model answers with, where it was not known here; null: it was, or still is not. */
  maxOutputTokens: number | null;
};

/** Where the published and the imported prices differ from those that count here. */
export async function proposePrices({ pool }: Pick<Database, "pool">, now = new Date()): Promise<PriceProposal[]> {
  const { rows } = await pool.query<Row>(current);
  const known = new Map(rows.map((row) => [row.model, row]));
  const published = new Map(publishedPrices(now).map((price) => [price.model, price]));
  return [
    ...[...published.values()].flatMap((price) => proposalOf("published", price, known.get(price.model)) ?? []),
    ...(await readImportedPrices(pool)).flatMap((price) => proposalOf("imported", price, known.get(price.model)) ?? []),
  ];
}

/** Null where nothing would change. */
function proposalOf(
  origin: PriceProposal["origin"],
  { model, prices, maxOutputTokens }: ImportedPrice,
  own: Row | undefined,
): PriceProposal | null {
  const after = bandsOf(prices);
  if (!own) return { model, origin, before: null, after, tiers: null, maxOutputTokens };
  const before = bandsOf(own.prices);
  const tiers = { before: multipliersOf(own.prices), after: multipliersOf(prices) };
  // An imported list has a tier's prices, and not what multiplies the plain ones.
  const isSameTiers = origin === "imported" || isDeepStrictEqual(tiers.before, tiers.after);
  const newMaximum = own.max_output_tokens === null ? maxOutputTokens : null;
  if (isSameTiers && newMaximum === null && inOrder(before) === inOrder(after)) return null;
  return { model, origin, before, after, tiers: isSameTiers ? null : tiers, maxOutputTokens: newMaximum };
}

const multipliersOf = ({ tiersPpm }: PricesJson): Record<string, number> =>
  Object.fromEntries(Object.entries(tiersPpm).map(([tier, ppm]) => [tier, Number(ppm) / 1_000_000]));

/** The same text for the same prices: the database keeps an object's members in an order of its own. */
const inOrder = (bands: PriceBandUsd[]): string =>
  JSON.stringify(
    bands.map(({ aboveInputTokens, usdPerMillion }) => [aboveInputTokens, Object.entries(usdPerMillion).sort()]),
  );

/**
 * Takes over the proposals for these models, published and imported; answers how many there were. The markup stays.
 * @throws AppError `invalid_input` where a model is to have both
 */
export async function applyProposals(
  db: Database,
  { models: wanted, imported, actor }: { models: string[]; imported: string[]; actor: Actor },
): Promise<number> {
  if (wanted.some((model) => imported.includes(model))) {
    throw new AppError("invalid_input", "Choose one price for each model.");
  }
  const published = [...new Map(publishedPrices(new Date()).map((price) => [price.model, price])).values()].filter(
    ({ model }) => wanted.includes(model),
  );
  return recordAct(db, actor, async (client) => {
    await lockInTransaction(client, "priceBook");
    const others = (await readImportedPrices(client)).filter(({ model }) => imported.includes(model));
    const chosen = [
      ...published.map((price) => ({ ...price, source: "published" })),
      // As if typed in: announced changes of the provider's list do not replace it by themselves.
      ...others.map((price) => ({ ...price, source: "admin" })),
    ];
    const { rows } = await client.query<Row>(current);
    const known = new Map(rows.map((row) => [row.model, row]));
    const before: Record<string, string | null> = {};
    const after: Record<string, string> = {};
    for (const { model, prices, contextTokens, maxOutputTokens, source } of chosen) {
      if (source === "admin") await retireAnnounced(client, model);
      const own = known.get(model);
      const id = randomUUID();
      before[model] = own?.id ?? null;
      after[model] = id;
      await client.query(
        `INSERT INTO price_version (id, model, prices, markup_ppm, context_tokens, max_output_tokens, source, valid_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())`,
        [
          id,
          model,
          JSON.stringify(prices),
          own?.markup_ppm ?? 1_000_000,
          contextTokens,
          own?.max_output_tokens ?? maxOutputTokens,
          source,
        ],
      );
    }
    // A version never changes, so that its id tells what the price was and is.
    const models = chosen.map(({ model }) => model);
    if (models.length === 0) return { act: null, result: 0 };
    await client.query("DELETE FROM price_import WHERE model = ANY ($1)", [imported]);
    return {
      act: { action: "apply_prices", targetKind: "price", targetId: null, before, after, details: { models } },
      result: models.length,
    };
  });
}
