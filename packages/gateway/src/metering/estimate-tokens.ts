/**
 * Estimates of token counts, for the calls whose exact usage the upstream never said. They never throw and never keep the
 * event loop: the tokenizer runs elsewhere, and where it gives no count, bytes ÷ 4 stands in for it.
 */
import { withoutInlineData, type BodyText } from "./scan-body.ts";
import type { Tokenizer } from "./tokenizer.ts";

const bytesPerToken = 4;

export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / bytesPerToken);

export async function estimateTokens(tokenizer: Tokenizer, text: string): Promise<number> {
  if (text === "") return 0;
  return (await tokenizer.count({ text })) ?? tokensOfBytes(Buffer.byteLength(text));
}

/** The input of one call in tokens: counted when somebody asks for it the first time, and never again. */
export type InputEstimate = () => Promise<number>;

export type InputCount = {
  /** Bytes ÷ 4 stands in where it cannot be counted. */
  estimate: InputEstimate;
  /** What a provider may count more stands within; null: it cannot be counted now. */
  ceiling: () => Promise<number | null>;
  /** Whether somebody has asked. */
  isCounted: () => boolean;
};

/** Of the count of another tokenizer, and of what a provider puts around a request's texts. */
const ceilingFactor = 1.02;
const ceilingExtraTokens = 16;

/** `mediaTokens` are those of what is no text. */
export function createInputCount(tokenizer: Tokenizer, body: BodyText, mediaTokens = 0): InputCount {
  let counted: Promise<number | null> | null = null;
  const count = () => (counted ??= tokenizer.count({ request: withoutInlineData(body) }));
  const textBytes = body.bytes.length - body.inline.reduce((sum, { start, end }) => sum + end - start, 0);
  return {
    estimate: async () => mediaTokens + ((await count()) ?? tokensOfBytes(textBytes)),
    ceiling: async () => {
      const tokens = await count();
      return tokens === null ? null : mediaTokens + Math.ceil(tokens * ceilingFactor) + ceilingExtraTokens;
    },
    isCounted: () => counted !== null,
  };
}
