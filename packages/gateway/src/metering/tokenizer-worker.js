/**
 * The tokenizer, on a thread of its own: its tables take 170 ms to load, and some texts keep it busy for a second. Plain
 * JavaScript, because a worker is started from its file, and that is this one before the build as well as behind it.
 */
import { Buffer } from "node:buffer";
import { parentPort } from "node:worker_threads";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";

/** Of a longer text, pieces of so much in all are counted: others wait for their counts. */
const maxTokenizedChars = 200_000;
const pieceChars = 4_096;
/** A tokenizer's time grows with the square of a word's length; cut words cost a token or two too many instead. */
const maxWordChars = 512;
/** What a role and its separators take per message (https://github.com/openai/openai-cookbook, counting tokens). */
const tokensPerMessage = 4;
const tokensPerImage = 1_000;
/** `<|endoftext|>` and the like are text: a client may write them, and a model too. */
const asText = { disallowedSpecial: new Set() };
const unsaid = new Set(["role", "type", "id"]);

/** @param {string} text */
function countText(text) {
  if (text.length <= maxTokenizedChars) return countWhole(text);
  const stride = text.length / Math.floor(maxTokenizedChars / pieceChars);
  let counted = 0;
  let tokens = 0;
  for (let at = 0; at < text.length; at += stride) {
    const piece = text.slice(Math.floor(at), Math.floor(at) + pieceChars);
    counted += piece.length;
    tokens += countWhole(piece);
  }
  return Math.ceil((tokens * text.length) / counted);
}

/** @param {string} text */
function countWhole(text) {
  let tokens = 0;
  for (let at = 0; at < text.length; at += maxWordChars) {
    tokens += countTokens(text.slice(at, at + maxWordChars), asText);
  }
  return tokens;
}

/**
 * The strings below some members of a JSON object, and a fixed count for each message, image and token by number.
 * @param {Uint8Array} json
 * @param {string[]} members
 */
function countJson(json, members) {
  const texts = [];
  let extra = 0;
  const body = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
  const unseen = members.map((member) => body[member]);
  while (unseen.length > 0) {
    const value = unseen.pop();
    if (typeof value === "string") {
      if (value.startsWith("data:")) extra += tokensPerImage;
      else texts.push(value);
    } else if (typeof value === "number") extra++;
    else if (Array.isArray(value)) for (const each of value) unseen.push(each);
    else if (typeof value === "object" && value !== null) {
      if ("role" in value) extra += tokensPerMessage;
      for (const key in value) if (!unsaid.has(key)) unseen.push(value[key]);
    }
  }
  return countText(texts.join("\n")) + extra;
}

/** What of a request is not read by its model. */
const unread = new Set(
  (
    "model metadata user stream stream_options safety_identifier prompt_cache_key prompt_cache_options service_tier include " +
    "logit_bias store stop modalities previous_response_id"
  ).split(" "),
);
/** These are told to the model as JSON, or nearly so. */
const asJson = new Set(["tools", "functions", "response_format", "text", "parameters", "schema"]);
/** Encrypted, a token of reasoning has some five bytes of base64. */
const encryptedCharsPerToken = 4;

/**
 * The input that a request's body is: its texts, its tools as JSON, and a fixed count for each message and token by number.
 * @param {Uint8Array} json
 */
function countRequest(json) {
  const texts = [];
  let extra = 0;
  const body = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
  const unseen = [];
  const take = (key, value) => {
    if (asJson.has(key)) texts.push(JSON.stringify(value));
    else if (key === "encrypted_content" && typeof value === "string") extra += value.length / encryptedCharsPerToken;
    else unseen.push(value);
  };
  for (const key in body) if (!unread.has(key) && typeof body[key] !== "number") take(key, body[key]);
  while (unseen.length > 0) {
    const value = unseen.pop();
    if (typeof value === "string") texts.push(value);
    else if (typeof value === "number") extra++;
    else if (Array.isArray(value)) for (const each of value) unseen.push(each);
    else if (typeof value === "object" && value !== null) {
      if ("role" in value || "call_id" in value) extra += tokensPerMessage;
      for (const key in value) if (!unsaid.has(key)) take(key, value[key]);
    }
  }
  return Math.ceil(countText(texts.join("\n")) + extra);
}

parentPort?.on("message", ({ id, text, json, members }) => {
  let tokens = null;
  try {
    tokens = !json ? countText(text) : members ? countJson(json, members) : countRequest(json);
  } catch {
    // Whoever asked has an estimate of its own.
  }
  parentPort?.postMessage({ id, tokens });
});
