/**
 * What a call can cost at most, read from its body before anything is held: a token of text is at least one byte, so
 * the body's bytes bound its input; the client's cap times the choices bounds its output.
 */
import type { Endpoint } from "./endpoints.ts";
import { boundHostedTools, defaultMaxToolCalls } from "./hosted-tools.ts";
import type { CostBound } from "./ports.ts";
import { BodyError, valueOf, type ScannedBody } from "./scan-body.ts";

/** The top-level members that billing reads; a body that says one of them twice or in escapes is refused. */
export const billingKeys: ReadonlySet<string> = new Set([
  "model",
  "stream",
  "stream_options",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "n",
  "best_of",
  "prompt",
  "prediction",
  "service_tier",
  "background",
  "conversation",
  "previous_response_id",
  "tools",
  "max_tool_calls",
  "web_search_options",
  "safety_identifier",
]);

export type CallFacts = {
  model: string;
  isStream: boolean;
  /** Whether the client itself asked for the usage chunk of a chat stream. */
  wantsUsageChunk: boolean;
  /** A chat completion that searches the web, once; its answer names no calls. */
  isSearch: boolean;
  previousResponseId: string | null;
  bound: CostBound;
  /** To be sent upstream as `max_tool_calls`; null: nothing needs to be. */
  toolCallCap: number | null;
};

/** What the cap of the output is called, by endpoint and by age. */
export const outputCapNames = ["max_completion_tokens", "max_output_tokens", "max_tokens"] as const;

const maxChoices = 128;
/** No model prices an image above this (low-priced models count one as up to 48 000 tokens). */
const maxTokensPerImage = 50_000;
/** Parts whose content the body only points at. */
const pointers = /"(?:image_url|url|file_url|file_data|input_audio|audio)"\s*:/;
const fileId = /"file_id"\s*:\s*"/;

/** @throws BodyError where a member has the wrong type, or asks for what cannot be billed */
export function readCallFacts(endpoint: Endpoint, body: ScannedBody): CallFacts {
  const model = valueOf(body, "model");
  if (typeof model !== "string" || model === "") throw new BodyError("you must provide a model parameter", "model");
  if (model.length > 256) throw new BodyError("The name of the model is too long.", "model");
  const text = body.bytes.toString("latin1");
  refuseWhatCannotBeBilled(body, text);
  const isStream = readBoolean(body, "stream") ?? false;
  const options = valueOf(body, "stream_options");
  const wantsUsageChunk = isObject(options) && options.include_usage === true;
  const previous = valueOf(body, "previous_response_id") ?? null;
  if (previous !== null && typeof previous !== "string") {
    throw new BodyError("previous_response_id must be a string.", "previous_response_id");
  }
  const isSearch = endpoint.name === "chat.completions" && doesSearch(body, model);
  const bound = readBound(endpoint, body, { text, previousResponseId: previous, isSearch });
  const mustCapTools =
    endpoint.name === "responses" && Object.keys(bound.hosted).length > 0 && readCount(body, "max_tool_calls") === null;
  const toolCallCap = mustCapTools ? defaultMaxToolCalls : null;
  return { model, isStream, wantsUsageChunk, isSearch, previousResponseId: previous, bound, toolCallCap };
}

function refuseWhatCannotBeBilled(body: ScannedBody, text: string): void {
  if (readBoolean(body, "background") === true) {
    throw new BodyError("Background responses are not offered here.", "background");
  }
  const conversation = valueOf(body, "conversation");
  if (conversation !== undefined && conversation !== null) {
    throw new BodyError("Stored conversations are not offered here.", "conversation");
  }
  if (fileId.test(text)) throw new BodyError("Stored files are not offered here.", "file_id");
}

function readBound(
  endpoint: Endpoint,
  body: ScannedBody,
  { text, previousResponseId, isSearch }: { text: string; previousResponseId: string | null; isSearch: boolean },
): CostBound {
  const images = text.includes("image") ? (text.match(/"(?:image_url|input_image)"/g)?.length ?? 0) : 0;
  const tools = valueOf(body, "tools");
  const hasHostedTool =
    Array.isArray(tools) && tools.some((tool) => isObject(tool) && tool.type !== "function" && tool.type !== "custom");
  const prompt = endpoint.name === "completions" ? valueOf(body, "prompt") : null;
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(prompt.length, 1) : 1;
  const perPrompt = Math.max(readCount(body, "n") ?? 1, readCount(body, "best_of") ?? 1);
  if (perPrompt > maxChoices) throw new BodyError(`n must be at most ${maxChoices}.`, "n");
  const prediction = body.spans.get("prediction");
  return {
    inputTokens: body.bytes.length + images * maxTokensPerImage,
    isInputRemote:
      hasHostedTool ||
      isSearch ||
      previousResponseId !== null ||
      (images === 0 && pointers.test(text)) ||
      isStoredPrompt(endpoint, body),
    outputTokens: readOutputCap(body),
    choices: prompts * perPrompt,
    extraOutputTokens: prediction ? prediction.end - prediction.start : 0,
    hosted:
      endpoint.name === "responses"
        ? boundHostedTools(tools, readCount(body, "max_tool_calls"))
        : isSearch
          ? { web_search_call: 1 }
          : {},
    serviceTier: readServiceTier(body),
  };
}

/** A chat completion searches the web once where it is asked to, and always with a model that is made for it. */
const doesSearch = (body: ScannedBody, model: string) =>
  (valueOf(body, "web_search_options") ?? null) !== null || /-search-(?:preview|api)/.test(model);

/** In responses, `prompt` names a template that lies with the provider. */
const isStoredPrompt = (endpoint: Endpoint, body: ScannedBody) =>
  endpoint.name === "responses" && isObject(valueOf(body, "prompt"));

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function readBoolean(body: ScannedBody, key: string): boolean | null {
  const value = valueOf(body, key) ?? null;
  if (value !== null && typeof value !== "boolean") throw new BodyError(`${key} must be true or false.`, key);
  return value;
}

/** The largest of the caps, under whichever of their names; null: the client set none. */
function readOutputCap(body: ScannedBody): number | null {
  let most: number | null = null;
  for (const name of outputCapNames) {
    const cap = readCount(body, name);
    if (cap !== null && (most === null || cap > most)) most = cap;
  }
  return most;
}

function readServiceTier(body: ScannedBody): string | null {
  const tier = valueOf(body, "service_tier") ?? null;
  if (tier !== null && typeof tier !== "string") throw new BodyError("service_tier must be a string.", "service_tier");
  return tier;
}

function readCount(body: ScannedBody, key: string): number | null {
  const value = valueOf(body, key) ?? null;
  if (value === null) return null;
  if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > 10_000_000) {
    throw new BodyError(`${key} must be a whole number above zero.`, key);
  }
  return value as number;
}
