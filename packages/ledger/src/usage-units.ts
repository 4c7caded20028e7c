/**
 * Usage, counted in classes. Each token is in exactly one of them; what a class costs is none of the ledger's business, and
 * the sums that roll-ups keep are its own.
 *
 * input · cached_input · cache_write_30m · cache_write_12h · audio_input · cached_audio_input · image_input ·
 * cached_image_input · output · audio_output · image_output · …_call · container_gb · image_tool_…
 *
 * `cache_write` is how rows and charges of older versions call `cache_write_30m`.
 */

/** Units by class; the classes are disjoint, so that no token is priced twice. */
export type UsageUnits = Readonly<Record<string, number | undefined>>;

const inputClasses = new Set([
  "input",
  "cached_input",
  "cache_write",
  "cache_write_30m",
  "cache_write_12h",
  "audio_input",
  "cached_audio_input",
  "image_input",
  "cached_image_input",
]);

/** Tells whether a class counts tokens that went in. */
export const isInput = (unitClass: string): boolean => inputClasses.has(unitClass);

/** Tells whether a class counts tokens that went in and that the provider had read before. */
const isCached = (unitClass: string): boolean => isInput(unitClass) && unitClass.startsWith("cached_");

/** Tells whether a class counts tokens that came out. */
export const isOutput = (unitClass: string): boolean => unitClass.endsWith("output");

/** Counts all input tokens of a request, whatever they cost: they decide its band. */
export const inputTokensOf = (usage: UsageUnits): number => sumUnits(usage, isInput);

/** Counts those of the input tokens that the provider had read before. */
export const cachedTokensOf = (usage: UsageUnits): number => sumUnits(usage, isCached);

/** Counts all tokens that came out, whatever they cost. */
export const outputTokensOf = (usage: UsageUnits): number => sumUnits(usage, isOutput);

function sumUnits(usage: UsageUnits, fits: (unitClass: string) => boolean): number {
  let sum = 0;
  for (const unitClass in usage) if (fits(unitClass)) sum += usage[unitClass] ?? 0;
  return sum;
}
