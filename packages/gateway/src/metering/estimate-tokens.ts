/**
 * Estimates of token counts, for the calls whose exact usage the upstream never said. They never throw and never keep the
 * event loop: the tokenizer runs elsewhere, and where it gives no count, bytes ÷ 4 stands in for it.
 */
import type { Tokenizer } from "./tokenizer.ts";

const bytesPerToken = 4;

export const tokensOfBytes = (bytes: number): number => Math.ceil(bytes / bytesPerToken);

export async function estimateTokens(tokenizer: Tokenizer, text: string): Promise<number> {
  if (text === "") return 0;
  return (await tokenizer.count({ text })) ?? tokensOfBytes(Buffer.byteLength(text));
}

const inputMembers = ["messages", "input", "prompt", "instructions", "tools", "functions", "response_format", "text"];

/** The input of one call in tokens: counted when somebody asks for it the first time, and never again. */
export type InputEstimate = () => Promise<number>;

/** `textBytes` are those of the body's strings without inline images: what bytes ÷ 4 goes by. */
export function createInputEstimate(tokenizer: Tokenizer, body: Uint8Array, textBytes: number): InputEstimate {
  let estimated: Promise<number> | null = null;
  const estimate = async () =>
    (await tokenizer.count({ json: body, members: inputMembers })) ?? tokensOfBytes(textBytes);
  return () => (estimated ??= estimate());
}
