/**
 * The most tokens that an image comes to, by what is asked for. OpenAI lists 272, 1,056 and 4,160 for a square megapixel of low,
 * medium and high quality (https://platform.openai.com/docs/guides/image-generation), half as much again for a longer one;
 * newer models take up to four times that for low and medium. What is not known is taken for the largest.
 */

const largestTokens = 50_000;
/** Of an image of up to 1536×1024. */
const tokensByQuality: Readonly<Record<string, number>> = { low: 2_000, medium: 7_000, high: 7_000, auto: 7_000 };
const pixelsInTable = 1_536 * 1_024;

/** Null: the client left it to the model. */
export function estimateImageTokens({ quality, size }: { quality: string | null; size: string | null }): number {
  const perTable = tokensByQuality[quality ?? "auto"];
  if (perTable === undefined) return largestTokens;
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(size ?? "") ?? [];
  if (width === undefined || height === undefined) return size === null || size === "auto" ? perTable : largestTokens;
  const factor = Math.max(1, (Number(width) * Number(height)) / pixelsInTable);
  return Math.min(largestTokens, Math.ceil(perTable * factor));
}
