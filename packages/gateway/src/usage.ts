/**
 * Turns the `usage` object of an answer into disjoint units by price class: each input token is uncached, cached or
 * written to the cache, never two of them; reasoning and rejected predictions are already inside the output count.
 */
export type ReadUsage = {
  usage: { input: number; cached_input: number; cache_write: number; output: number };
  /** `clamped`: the parts were more than the whole, so the uncached part was set to zero. */
  flags: string[];
};

type Counts = Record<string, unknown>;

const objectOf = (value: unknown): Counts => (typeof value === "object" && value !== null ? (value as Counts) : {});

/** A count of tokens: absent or null is zero, anything but a whole number of zero or more is null. */
function countOf(value: unknown): number | null {
  if (value === undefined || value === null) return 0;
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}

/**
 * Reads the usage of chat completions, completions, embeddings (`prompt_tokens`, `completion_tokens`) and responses
 * (`input_tokens`, `output_tokens`). Null where it is absent or cannot be true: a negative count, more cached than
 * input, or more than twice of what was held for.
 */
export function readUsage(value: unknown, bound: { inputTokens: number; outputTokens: number }): ReadUsage | null {
  const counts = objectOf(value);
  if (counts.prompt_tokens === undefined && counts.input_tokens === undefined) return null;
  const details = objectOf(counts.prompt_tokens_details ?? counts.input_tokens_details);
  const input = countOf(counts.prompt_tokens ?? counts.input_tokens);
  const output = countOf(counts.completion_tokens ?? counts.output_tokens);
  const cached = countOf(details.cached_tokens);
  const written = countOf(details.cache_write_tokens);
  if (input === null || output === null || cached === null || written === null) return null;
  if (cached > input || input > 2 * bound.inputTokens || output > 2 * bound.outputTokens) return null;
  const isClamped = cached + written > input;
  const cacheWrite = Math.min(written, input - cached);
  return {
    usage: { input: input - cached - cacheWrite, cached_input: cached, cache_write: cacheWrite, output },
    flags: isClamped ? ["clamped"] : [],
  };
}
