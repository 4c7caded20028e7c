/** The text that came out, where nobody has counted its tokens: of an answer, or of one of its events. */
import { isObject, parseObject } from "./answer-facts.ts";
import { estimateTokens, tokensOfBytes } from "./estimate-tokens.ts";
import { bufferOf } from "./scan-body.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Where the text of an answer, or of one of its events, stands. */
export const outputMembers = ["choices", "output", "delta"];

/** The text that an event adds: chat deltas with their tool calls, completions' text, responses' deltas and items. */
export function textOfEvent(data: string): string {
  const event = parseObject(data);
  if (typeof event.delta === "string") return event.delta;
  if (isObject(event.item)) return textIn(event.item);
  if (isObject(event.response)) return textIn(event.response.output);
  return Array.isArray(event.choices) ? event.choices.map(textOfChoice).join("") : "";
}

const textOfChoice = (choice: unknown): string =>
  isObject(choice) ? textIn(choice.delta ?? choice.message) + (typeof choice.text === "string" ? choice.text : "") : "";

/** Members that are no text of the model's: names of kinds, ids, pictures, and what only the provider can read. */
const notText = new Set(["role", "type", "id", "call_id", "status", "result", "encrypted_content"]);
/** One reasoning under the names that servers give it; some send it under several at once. */
const reasoningNames = ["reasoning", "reasoning_content", "reasoning_details"];

function textIn(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textIn).join("");
  if (!isObject(value)) return "";
  let text = "";
  let reasoning = "";
  for (const key in value) {
    if (notText.has(key)) continue;
    const part = textIn(value[key]);
    if (!reasoningNames.includes(key)) text += part;
    else if (part.length > reasoning.length) reasoning = part;
  }
  return reasoning + text;
}

const parseBelowBytes = 64 * 1024;

/** The tokens of a whole JSON answer that came without usage. */
export async function observedTokensOf(tokenizer: Tokenizer, bytes: Uint8Array): Promise<number> {
  if (bytes.length > parseBelowBytes) {
    const tokens = await tokenizer.count({ json: bytes, members: outputMembers });
    return tokens ?? tokensOfBytes(bytes.length);
  }
  const answer = parseObject(bufferOf(bytes).toString());
  const choices = Array.isArray(answer.choices) ? answer.choices : [];
  return estimateTokens(tokenizer, choices.map(textOfChoice).join("") + textIn(answer.output));
}
