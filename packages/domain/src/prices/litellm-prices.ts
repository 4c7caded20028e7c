/**
 * Reads LiteLLM's `model_prices_and_context_window.json` (https://github.com/BerriAI/litellm), so that an admin can take
 * prices over from it. Amounts are USD per token, written like 1.25e-07; they are read as text, never as floats. The
 * columns of a tier (`…_flex`, `…_priority`, `…_batches`) are absolute prices, not multipliers.
 */
import type { PublishedPrice } from "./published-prices.ts";
import type { PricesJson } from "./prices-json.ts";
import { scaledInteger } from "./price-units.ts";

export type ImportedPrices = {
  prices: PublishedPrice[];
  /** Models whose entry could not be read, each with a sentence. */
  skipped: { model: string; reason: string }[];
};

type Entry = Readonly<Record<string, unknown>>;
type Band = PricesJson["bands"][number];

/** Ours on the right. */
const tokenColumns: Readonly<Record<string, string>> = {
  input_cost_per_token: "input",
  cache_read_input_token_cost: "cached_input",
  cache_creation_input_token_cost: "cache_write_30m",
  output_cost_per_token: "output",
  input_cost_per_audio_token: "audio_input",
  output_cost_per_audio_token: "audio_output",
  input_cost_per_image_token: "image_input",
  output_cost_per_image_token: "image_output",
};

/** Ours on the right; the suffix stands behind a column's name. */
const tierSuffixes: Readonly<Record<string, string>> = { _flex: "flex", _priority: "priority", _batches: "batch" };

/** Modes whose tokens are metered here. */
const meteredModes = new Set(["chat", "responses", "completion", "embedding", "image_generation", "audio_speech"]);

const sampleEntry = "sample_spec";
const picoPlaces = 12;

/**
 * Returns the prices of a provider's models.
 * @throws SyntaxError where the text is no JSON object
 */
export function readLiteLlmPrices(text: string, { provider, now }: { provider: string; now: Date }): ImportedPrices {
  const entries = parseWithNumbersAsText(text);
  const found: ImportedPrices = { prices: [], skipped: [] };
  for (const [model, entry] of Object.entries(entries)) {
    if (model === sampleEntry || !isObject(entry) || entry.litellm_provider !== provider) continue;
    if (!meteredModes.has(String(entry.mode)) || entry.input_cost_per_token === undefined) continue;
    try {
      found.prices.push(readEntry(model, entry, now));
    } catch (error) {
      found.skipped.push({ model, reason: error instanceof RangeError ? error.message : "It cannot be read." });
    }
  }
  return found;
}

function readEntry(model: string, entry: Entry, validFrom: Date): PublishedPrice {
  const tierBands: Record<string, Band[]> = {};
  for (const [suffix, tier] of Object.entries(tierSuffixes)) {
    if (entry[`input_cost_per_token${suffix}`] !== undefined) tierBands[tier] = readBands(entry, suffix);
  }
  return {
    model,
    prices: { bands: readBands(entry, ""), tiersPpm: {}, windowsPpm: {}, tierBands },
    contextTokens: readTokens(entry.max_input_tokens ?? entry.max_tokens),
    maxOutputTokens: readTokens(entry.max_output_tokens),
    validFrom,
  };
}

const threshold = /_above_(\d+)k_tokens/;

/** A class that a tier or a band does not name costs what it costs in the plain one. */
function readBands(entry: Entry, suffix: string): Band[] {
  const thresholds = new Set<number>();
  for (const column in entry) {
    const [, thousands] = threshold.exec(column) ?? [];
    if (thousands !== undefined) thresholds.add(Number(thousands) * 1_000);
  }
  return [-1, ...[...thresholds].sort((a, b) => a - b)].map((aboveInputTokens) => {
    const above = aboveInputTokens < 0 ? "" : `_above_${aboveInputTokens / 1_000}k_tokens`;
    const picoUsdPerUnit: Record<string, string> = {};
    for (const [column, unitClass] of Object.entries(tokenColumns)) {
      const amount = entry[column + above + suffix] ?? entry[column + suffix] ?? entry[column + above] ?? entry[column];
      if (typeof amount === "string") picoUsdPerUnit[unitClass] = String(scaledInteger(amount, picoPlaces));
    }
    return { aboveInputTokens, picoUsdPerUnit };
  });
}

function readTokens(value: unknown): number | null {
  const tokens = Number(value ?? NaN);
  return Number.isSafeInteger(tokens) && tokens > 0 ? tokens : null;
}

const stringOrNumber = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses JSON with each number as the text that it was written in. */
function parseWithNumbersAsText(text: string): Entry {
  const parsed: unknown = JSON.parse(
    text.replace(stringOrNumber, (token) => (token[0] === '"' ? token : `"${token}"`)),
  );
  if (!isObject(parsed) || Array.isArray(parsed)) throw new SyntaxError("This is no JSON object.");
  return parsed;
}

const isObject = (value: unknown): value is Entry => typeof value === "object" && value !== null;
