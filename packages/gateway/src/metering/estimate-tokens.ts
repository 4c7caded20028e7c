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

/** `mediaTokens` are those of what is no text; bytes ÷ 4 stands in for the count of what is. */
export function createInputEstimate(tokenizer: Tokenizer, body: BodyText, mediaTokens = 0): InputEstimate {
  let estimated: Promise<number> | null = null;
  const estimate = async () => {
    const request = withoutInlineData(body);
    return mediaTokens + ((await tokenizer.count({ request })) ?? tokensOfBytes(request.length));
  };
  return () => (estimated ??= estimate());
}
