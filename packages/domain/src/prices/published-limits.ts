/**
 * The most tokens that a model answers with, as its provider documents it (https://platform.openai.com/docs/models). Where a
 * client sets no cap, so much is held for; a cap of ours above it would be refused by the provider.
 */

/** By the beginning of the name, or what it contains; the first that fits counts. */
const maxOutputTokens: readonly (readonly [name: RegExp, tokens: number])[] = [
  [/^gpt-5-pro/, 272_000],
  [/^(?:gpt-chat|gpt-5\S*-chat|chatgpt-4o)/, 16_384],
  [/^gpt-[56]/, 128_000],
  [/^o1-mini/, 65_536],
  [/^o1-preview/, 32_768],
  [/^(?:o\d|codex-mini)/, 100_000],
  [/^gpt-4\.1/, 32_768],
  [/^gpt-4o:extended/, 64_000],
  [/^gpt-4o-2024-05-13/, 4_096],
  [/^(?:ft:)?(?:gpt-4o|gpt-4\.5|gpt-audio)/, 16_384],
  [/^gpt-4-(?:turbo|0125|1106|vision)/, 4_096],
  [/^gpt-4-32k/, 32_768],
  [/^(?:ft:)?gpt-4(?:-|$)/, 8_192],
  [/^gpt-3\S*-16k/, 16_384],
  [/^(?:ft:)?gpt-3/, 4_096],
  [/^gpt-oss/, 131_072],
  [/^computer-use/, 1_024],
];

/** Models whose answers have tokens that nobody sees, by name; what comes behind a vendor's prefix counts as the name. */
const reasoning =
  /(?:^|[/:])(?:o\d|codex|computer-use|gpt-oss|gpt-(?:[5-9]|[1-9]\d))|reason|think|magistral|qwq|[-/]r1(?:-|$)/i;
const chatOnly = /^(?:ft:)?(?:gpt-chat|gpt-\d\S*-chat|chatgpt-4o)/;

/** Whether a model reasons before it answers. */
export const doesReason = (model: string): boolean => reasoning.test(model) && !chatOnly.test(model);

/** Null: not known. */
export const publishedMaxOutputTokens = (model: string): number | null =>
  maxOutputTokens.find(([name]) => name.test(model))?.[1] ?? null;
