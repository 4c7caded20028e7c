/**
 * Estimates of token counts, for the calls whose exact usage the upstream never said. The tokenizer's tables are large,
 * so they are loaded with the first estimate and not before.
 */
import { bufferOf } from "./scan-body.ts";

type Tokenizer = { countTokens: (text: string) => number };

let tokenizer: Promise<Tokenizer> | null = null;
const loadTokenizer = () => (tokenizer ??= import("gpt-tokenizer/encoding/o200k_base"));

/** Above this, bytes are divided by four instead of tokenized: the event loop must not stand still for an estimate. */
const maxTokenizedChars = 200_000;

/** A tokenizer's time grows with the square of a word's length; cut words cost a token or two too many instead. */
const maxWordChars = 512;

export async function estimateTokens(text: string): Promise<number> {
  if (text.length > maxTokenizedChars) return Math.ceil(Buffer.byteLength(text) / 4);
  if (text === "") return 0;
  const { countTokens } = await loadTokenizer();
  let tokens = 0;
  for (let at = 0; at < text.length; at += maxWordChars) tokens += countTokens(text.slice(at, at + maxWordChars));
  return tokens;
}

const inputMembers = ["messages", "input", "prompt", "instructions", "tools", "functions", "response_format", "text"];
/** What a role and its separators take per message (https://github.com/openai/openai-cookbook, counting tokens). */
const tokensPerMessage = 4;
const tokensPerImage = 1_000;

/** The input tokens of a request's body: the strings of its messages, a fixed count per message and per image. */
export async function estimateInputTokens(bytes: Uint8Array): Promise<number> {
  const body = JSON.parse(bufferOf(bytes).toString()) as Record<string, unknown>;
  const texts: string[] = [];
  let extra = 0;
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      if (value.startsWith("data:")) extra += tokensPerImage;
      else texts.push(value);
    } else if (Array.isArray(value)) {
      if (value.length > 0 && value.every((each) => typeof each === "number")) extra += value.length;
      else for (const each of value) visit(each);
    } else if (typeof value === "object" && value !== null) {
      if ("role" in value) extra += tokensPerMessage;
      for (const [key, each] of Object.entries(value)) if (key !== "role" && key !== "type") visit(each);
    }
  };
  for (const member of inputMembers) visit(body[member]);
  return (await estimateTokens(texts.join("\n"))) + extra;
}
