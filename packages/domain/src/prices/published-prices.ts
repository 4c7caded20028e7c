/**
 * The prices that providers publish, as the package @pydantic/genai-prices keeps them; its data come with the lock file.
 * They fill an empty price book; later data are only ever proposed to an admin.
 */
import { findProvider } from "@pydantic/genai-prices";
import type { PricesJson } from "./prices-json.ts";
import { publishedMaxOutputTokens } from "./published-limits.ts";

export type PublishedPrice = {
  model: string;
  prices: PricesJson;
  contextTokens: number | null;
  maxOutputTokens: number | null;
};

type Model = NonNullable<ReturnType<typeof findProvider>>["models"][number];
type ModelPrice = Exclude<Model["prices"], readonly unknown[]>;
type Rate = number | { base: number; tiers: { start: number; price: number }[] };

/** Ours on the right: disjoint classes of tokens. Hours are no tokens and are left out. */
const unitClasses: Readonly<Record<string, string>> = {
  input_mtok: "input",
  cache_read_mtok: "cached_input",
  cache_write_mtok: "cache_write",
  output_mtok: "output",
  input_audio_mtok: "audio_input",
  output_audio_mtok: "audio_output",
  input_image_mtok: "image_input",
  output_image_mtok: "image_output",
};

/** Priced per thousand calls, whatever the tier and however long the input. */
const callClasses: Readonly<Record<string, string>> = {
  web_searches_kcount: "web_search_call",
  storage_searches_kcount: "file_search_call",
};

const usualTiers = { flex: "500000", priority: "2000000" };

/** Where a model's tiers are not the usual ones, by the beginning of its name. */
const ownTiers: readonly { beginning: RegExp; until?: string; tiers: Record<string, string> }[] = [
  { beginning: /^gpt-5[.-]5(?:-|$)/, tiers: { priority: "2500000" } },
  { beginning: /^gpt-6\.1-sol(?:-|$)/, tiers: { ultrafast: "6000000" } },
  { beginning: /^gpt-6\.2-sol(?:-|$)/, until: "2027-02-28", tiers: { ultrafast: "3000000" } },
  { beginning: /^gpt-6\.2-sol(?:-|$)/, tiers: { ultrafast: "6000000" } },
];

/**
 * Parts per million by served tier (https://openai.com/api/pricing): flex at half, priority at twice the price, unless the
 * model has its own. `until` is the last day, in UTC.
 */
export function publishedTiers(model: string, now: Date): Record<string, string> {
  const today = now.toISOString().slice(0, 10);
  const own = ownTiers.find(({ beginning, until }) => beginning.test(model) && (until === undefined || today <= until));
  return { ...usualTiers, ...own?.tiers };
}

/** Shut down years ago; their prices would only head the list. */
const gone = /^(?:ada|babbage|curie|davinci)$|^text-(?:ada|babbage|curie|davinci)-/;

/** Asked at addresses that are not offered here, or the same model as others spell its name. */
const elsewhere = /(?:^|-)(?:image|realtime|tts|transcribe)(?:[-*]|$)|^gpt-35-|^gpt-\d-\d(?:-|$)/;

/** A search by a model that does not reason costs USD 25 per 1 000, and what it finds is no input. */
const searchModel = /-search-preview/;
const picoUsdPerPlainSearch = "25000000000";

/** Every exactly named or prefixed OpenAI model with a token price on the day of `now`. Prefixes end in `*`. */
export function publishedPrices(now: Date): PublishedPrice[] {
  const models = findProvider({ providerId: "openai" })?.models ?? [];
  return models.flatMap((model) => {
    const bands = toBands(priceOn(model, now));
    if (!bands) return [];
    const names = namesOf(model.match).filter((name) => !gone.test(name) && !elsewhere.test(name));
    return names.map((name) => ({
      model: name,
      prices: { bands: searchModel.test(name) ? withPlainSearch(bands) : bands, tiersPpm: publishedTiers(name, now) },
      contextTokens: model.context_window ?? null,
      maxOutputTokens: publishedMaxOutputTokens(name),
    }));
  });
}

/** The last of several prices whose start lies before `now`; the one without a start is the first. */
function priceOn({ prices }: Model, now: Date): ModelPrice | null {
  if (!Array.isArray(prices)) return prices;
  const today = now.toISOString().slice(0, 10);
  const started = prices.filter(({ constraint }) => {
    if (!constraint) return true;
    return "start_date" in constraint && constraint.start_date <= today;
  });
  return started.at(-1)?.prices ?? null;
}

function namesOf(match: Model["match"]): string[] {
  if ("equals" in match) return [match.equals];
  if ("starts_with" in match) return [`${match.starts_with}*`];
  return "or" in match ? match.or.flatMap(namesOf) : [];
}

function toBands(price: ModelPrice | null): PricesJson["bands"] | null {
  const rates = Object.entries(price ?? {}).flatMap(([key, rate]): [string, Rate][] => {
    const unitClass = unitClasses[key];
    return unitClass && rate !== undefined ? [[unitClass, rate]] : [];
  });
  if (!rates.some(([unitClass]) => unitClass === "input")) return null;
  const calls = Object.entries(price ?? {}).flatMap(([key, rate]): [string, string][] => {
    const unitClass = callClasses[key];
    return unitClass && typeof rate === "number" ? [[unitClass, picoUsdPerCall(rate)]] : [];
  });
  const starts = rates.flatMap(([, rate]) => (typeof rate === "number" ? [] : rate.tiers.map(({ start }) => start)));
  const bands = [-1, ...new Set(starts)].sort((a, b) => a - b);
  return bands.map((aboveInputTokens) => ({
    aboveInputTokens,
    picoUsdPerUnit: Object.fromEntries([
      ...rates.map(([unitClass, rate]) => [unitClass, picoUsdPerToken(rateAt(rate, aboveInputTokens))]),
      ...calls,
    ]) as Record<string, string>,
  }));
}

const withPlainSearch = (bands: PricesJson["bands"]): PricesJson["bands"] =>
  bands.map(({ aboveInputTokens, picoUsdPerUnit }) => ({
    aboveInputTokens,
    picoUsdPerUnit: { web_search_call: picoUsdPerPlainSearch, ...picoUsdPerUnit },
  }));

function rateAt(rate: Rate, aboveInputTokens: number): number {
  if (typeof rate === "number") return rate;
  return rate.tiers.findLast(({ start }) => start <= aboveInputTokens)?.price ?? rate.base;
}

/** USD per million tokens → pico-USD per token: six digits behind the point are whole numbers. */
const picoUsdPerToken = (usdPerMillion: number): string => String(Math.round(usdPerMillion * 1_000_000));

/** USD per thousand calls → pico-USD per call. */
const picoUsdPerCall = (usdPerThousand: number): string => String(Math.round(usdPerThousand * 1_000_000_000));
