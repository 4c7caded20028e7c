/**
 * What OpenAI asks for its models, typed in by hand from its price pages; USD per million units, as decimal text.
 * A change of price is a new row with its own `validFrom`: rows are added, never edited.
 */

/** USD per million units by price class; a tool's calls are per call and stand in `callUsd`. */
type UsdByClass = Readonly<Record<string, string>>;

export type OpenAiPrice = {
  /** Exact names; dated snapshots (`-YYYY-MM-DD`) of a name have its price. A name may end in `:*` (fine-tuned models). */
  models: readonly string[];
  /** The first day, in UTC. */
  validFrom: string;
  usd: UsdByClass;
  /** Above 272,000 input tokens the whole request pays input ×2 and output ×1.5. */
  hasLongContext?: true;
  /** What a service tier multiplies tokens with; replaces the usual flex ×0.5 and priority ×2. */
  tiers?: Readonly<Record<string, string>>;
  callUsd?: UsdByClass;
  contextTokens: number;
  source: string;
};

const priceList = "https://developers.openai.com/api/docs/pricing (2026-11-24)";
const modelPages = "https://developers.openai.com/api/docs/models (2026-11-24)";
/** Known from third parties only; the provider's page does not list it. */
const thirdParty = "third party (2026-11-24)";

const standardTiers = { flex: "0.5", priority: "2", batch: "0.5" };
const withoutFlex = { priority: "2", batch: "0.5" };

const longContextModels: readonly OpenAiPrice[] = [
  {
    models: ["gpt-6.2-sol"],
    validFrom: "2026-11-01",
    usd: { input: "2", cached_input: "0.10", cache_write_30m: "2.50", cache_write_12h: "5", output: "10" },
    hasLongContext: true,
    tiers: { ...withoutFlex, ultrafast: "3" },
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-6.2-sol"],
    validFrom: "2027-03-01",
    usd: { input: "2", cached_input: "0.10", cache_write_30m: "2.50", cache_write_12h: "5", output: "10" },
    hasLongContext: true,
    tiers: { ...withoutFlex, ultrafast: "6" },
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-6.2-astra"],
    validFrom: "2026-11-01",
    usd: { input: "8", cached_input: "0.40", cache_write_30m: "10", cache_write_12h: "20", output: "40" },
    hasLongContext: true,
    tiers: withoutFlex,
    contextTokens: 1_050_000,
    source: thirdParty,
  },
  {
    models: ["gpt-6.1-sol"],
    validFrom: "2026-10-01",
    usd: { input: "2", cached_input: "0.10", cache_write_30m: "2.50", cache_write_12h: "5", output: "10" },
    hasLongContext: true,
    tiers: { ...standardTiers, ultrafast: "6" },
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-6.1-terra"],
    validFrom: "2026-10-01",
    usd: { input: "1", cached_input: "0.05", cache_write_30m: "1.25", cache_write_12h: "2.50", output: "5" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-6-sol"],
    validFrom: "2026-09-01",
    usd: { input: "2", cached_input: "0.20", cache_write_30m: "2.50", cache_write_12h: "5", output: "10" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-6-luna"],
    validFrom: "2026-09-01",
    usd: { input: "0.10", cached_input: "0.01", cache_write_30m: "0.125", cache_write_12h: "0.25", output: "0.50" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-6-astra"],
    validFrom: "2026-09-01",
    usd: { input: "10", cached_input: "1", cache_write_30m: "12.50", cache_write_12h: "25", output: "50" },
    hasLongContext: true,
    tiers: { ...standardTiers, ultrafast: "6" },
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.6-sol", "gpt-5.6"],
    validFrom: "2026-08-21",
    usd: { input: "4", cached_input: "0.40", cache_write_30m: "5", cache_write_12h: "10", output: "20" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.6-terra"],
    validFrom: "2026-08-21",
    usd: { input: "2", cached_input: "0.20", cache_write_30m: "2.50", cache_write_12h: "5", output: "12" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.6-luna"],
    validFrom: "2026-07-30",
    usd: { input: "0.20", cached_input: "0.02", cache_write_30m: "0.25", cache_write_12h: "0.50", output: "1.20" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.5", "gpt-5.5-codex"],
    validFrom: "2026-04-23",
    usd: { input: "5", cached_input: "0.50", output: "30" },
    hasLongContext: true,
    tiers: { ...standardTiers, priority: "2.5" },
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.5-pro"],
    validFrom: "2026-04-23",
    usd: { input: "30", output: "180" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.4"],
    validFrom: "2026-03-05",
    usd: { input: "2.50", cached_input: "0.25", output: "15" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
  {
    models: ["gpt-5.4-pro"],
    validFrom: "2026-03-05",
    usd: { input: "30", output: "180" },
    hasLongContext: true,
    contextTokens: 1_050_000,
    source: priceList,
  },
];

const gpt5Models: readonly OpenAiPrice[] = [
  row(["gpt-5.5-chat-latest", "gpt-5.5-chat", "gpt-chat-latest"], "2026-04-23", ["5", "0.50", "30"], 128_000, {
    tiers: { ...standardTiers, priority: "2.5" },
  }),
  row(["gpt-5.4-mini"], "2026-03-17", ["0.75", "0.075", "4.50"], 400_000),
  row(["gpt-5.4-nano"], "2026-03-17", ["0.20", "0.02", "1.25"], 400_000),
  row(["gpt-5.3-codex"], "2026-02-05", ["1.75", "0.175", "14"], 400_000),
  row(["gpt-5.3-chat-latest", "gpt-5.3-chat", "gpt-5.3"], "2026-02-05", ["1.75", "0.175", "14"], 128_000),
  row(
    ["gpt-5.2", "gpt-5.2-codex", "gpt-5.2-chat", "gpt-5.2-chat-latest"],
    "2025-12-11",
    ["1.75", "0.175", "14"],
    400_000,
  ),
  row(["gpt-5.2-pro"], "2025-12-11", ["21", null, "168"], 400_000),
  row(
    ["gpt-5.1", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.1-chat", "gpt-5.1-chat-latest"],
    "2025-11-13",
    ["1.25", "0.125", "10"],
    400_000,
  ),
  row(["gpt-5.1-codex-mini", "gpt-5.1-mini"], "2025-11-13", ["0.25", "0.025", "2"], 400_000),
  row(["gpt-5", "gpt-5-codex", "gpt-5-chat", "gpt-5-chat-latest"], "2025-08-07", ["1.25", "0.125", "10"], 400_000),
  row(["gpt-5-mini"], "2025-08-07", ["0.25", "0.025", "2"], 400_000, { tiers: { ...standardTiers, priority: "1.8" } }),
  row(["gpt-5-nano"], "2025-08-07", ["0.05", "0.005", "0.40"], 400_000),
  row(["gpt-5-pro"], "2025-10-06", ["15", null, "120"], 400_000),
];

const tiers41 = { ...standardTiers, priority: "1.75" };
const tiers4o = { ...standardTiers, priority: "1.7" };
const tiers4oMini = { ...standardTiers, priority: "1.666667" };
/** A search by a model that does not reason costs USD 25 per 1,000, and what it finds is no input. */
const plainSearch = { web_search_call: "0.025" };

const gpt4Models: readonly OpenAiPrice[] = [
  row(["gpt-4.1"], "2025-04-14", ["2", "0.50", "8"], 1_047_576, { tiers: tiers41 }),
  row(["gpt-4.1-mini"], "2025-04-14", ["0.40", "0.10", "1.60"], 1_047_576, { tiers: tiers41 }),
  row(["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"], "2024-10-01", ["2.50", "1.25", "10"], 128_000, {
    tiers: tiers4o,
  }),
  // An older snapshot at an older price: it must not be sold at its successor's.
  row(["gpt-4o-2024-05-13"], "2024-05-13", ["5", null, "15"], 128_000, { tiers: { batch: "0.5", priority: "1.75" } }),
  row(["gpt-4o-mini"], "2024-07-18", ["0.15", "0.075", "0.60"], 128_000, { tiers: tiers4oMini }),
  row(["gpt-4o-search-preview"], "2025-03-11", ["2.50", null, "10"], 128_000, { callUsd: plainSearch }),
  row(["gpt-4o-mini-search-preview"], "2025-03-11", ["0.15", null, "0.60"], 128_000, { callUsd: plainSearch }),
  row(["ft:gpt-4.1-2025-04-14:*"], "2025-04-14", ["3", "0.75", "12"], 1_047_576),
  row(["ft:gpt-4.1-mini-2025-04-14:*"], "2025-04-14", ["0.80", "0.20", "3.20"], 1_047_576),
  row(["ft:gpt-4o-2024-08-06:*", "ft:gpt-4o-2024-11-20:*"], "2024-10-01", ["3.75", "1.875", "15"], 128_000),
  row(["ft:gpt-4o-mini-2024-07-18:*"], "2024-10-01", ["0.30", "0.15", "1.20"], 128_000),
];

const otherModels: readonly OpenAiPrice[] = [
  row(["o3"], "2025-06-10", ["2", "0.50", "8"], 200_000, { tiers: tiers41 }),
  row(["o3-pro"], "2025-06-10", ["20", null, "80"], 200_000),
  row(["o3-deep-research"], "2025-06-26", ["10", "2.50", "40"], 200_000),
  row(["o4-mini-deep-research"], "2025-06-26", ["2", "0.50", "8"], 200_000),
  row(["o1-pro"], "2025-03-19", ["150", null, "600"], 200_000),
  row(["chatgpt-4o-latest"], "2024-08-15", ["5", null, "15"], 128_000),
  row(["codex-mini-latest"], "2025-05-16", ["1.50", "0.375", "6"], 200_000),
  row(["computer-use-preview"], "2025-03-11", ["3", null, "12"], 8_192),
  {
    models: [
      "gpt-image-2",
      "gpt-image-2.5-sunburst",
      "gpt-image-2.5-flare",
      "gpt-image-2.6-sunburst",
      "gpt-image-2.6-flare",
    ],
    validFrom: "2026-11-05",
    usd: { input: "5", cached_input: "1.25", image_input: "8", cached_image_input: "2", image_output: "30" },
    tiers: { batch: "0.5" },
    contextTokens: 128_000,
    source: priceList,
  },
  embedding("text-embedding-3-small", "0.02"),
  embedding("text-embedding-3-large", "0.13"),
  embedding("text-embedding-ada-002", "0.10"),
  {
    models: ["gpt-4o-audio-preview"],
    validFrom: "2024-12-17",
    usd: { input: "2.50", output: "10", audio_input: "40", audio_output: "80" },
    contextTokens: 128_000,
    source: modelPages,
  },
  {
    models: ["gpt-4o-mini-audio-preview"],
    validFrom: "2024-12-17",
    usd: { input: "0.15", output: "0.60", audio_input: "10", audio_output: "20" },
    contextTokens: 128_000,
    source: modelPages,
  },
  {
    models: ["gpt-audio", "gpt-audio-1.5"],
    validFrom: "2025-08-28",
    usd: { input: "2.50", output: "10", audio_input: "32", audio_output: "64" },
    contextTokens: 128_000,
    source: priceList,
  },
  {
    models: ["gpt-audio-mini"],
    validFrom: "2025-10-06",
    usd: { input: "0.60", output: "2.40", audio_input: "10", audio_output: "20" },
    contextTokens: 128_000,
    source: priceList,
  },
];

/** Every row, oldest first within a model. */
export const openAiPrices: readonly OpenAiPrice[] = [
  ...longContextModels,
  ...gpt5Models,
  ...gpt4Models,
  ...otherModels,
];

/** What a service tier multiplies tokens with where a row says nothing else. */
export const usualTiers: Readonly<Record<string, string>> = standardTiers;

/** What a background response pays that may take its time: 30 % less within two hours, 40 % less within eight. */
export const completionWindows: Readonly<Record<string, string>> = { "2h": "0.7", "8h": "0.6" };

type Amounts = readonly [input: string, cachedInput: string | null, output: string];

function row(
  models: readonly string[],
  validFrom: string,
  [input, cachedInput, output]: Amounts,
  contextTokens: number,
  rest: Pick<OpenAiPrice, "tiers" | "callUsd"> = {},
): OpenAiPrice {
  const usd: Record<string, string> = { input, ...(cachedInput === null ? {} : { cached_input: cachedInput }), output };
  return { models, validFrom, usd, contextTokens, source: modelPages, ...rest };
}

function embedding(model: string, input: string): OpenAiPrice {
  return { models: [model], validFrom: "2024-01-25", usd: { input }, contextTokens: 8_192, source: modelPages };
}
