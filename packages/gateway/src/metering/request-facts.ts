/**
 * What a call can cost at most, read from its body before anything is held: a token of text is at least one byte, so
 * the body's bytes bound its input; the client's cap times the choices bounds its output.
 */
import { BodyError } from "../transport/body-error.ts";
import type { CostBound, ResourceKind, ResourceRef, Usage } from "../ports.ts";
import { pictureTokens } from "./picture-tokens.ts";
import type { ToolSpans } from "./request-visitor.ts";
import { valueAt, valueOf, type ScannedBody } from "./scan-body.ts";
import { isStorable } from "./stored-text.ts";

export type CallFacts = {
  model: string;
  isStream: boolean;
  /** Whether the client itself asked for the usage chunk of a chat stream. */
  wantsUsageChunk: boolean;
  /** A chat completion that searches the web, once; its answer names no calls. */
  isSearch: boolean;
  /** What lies with a provider, and the call goes on from. */
  resources: readonly ResourceRef[];
  /** What its answer is stored as, by its id; null: as nothing that has an owner of its own. */
  stores: ResourceKind | null;
  bound: CostBound;
  /** Of the bound's input, what is no text: pictures, sound, and a guess of what files come to. */
  mediaTokens: number;
  /** To be sent upstream as `max_tool_calls`; null: nothing needs to be. */
  toolCallCap: number | null;
};

/** Names the cap of the output, by endpoint and by age. */
export const outputCapNames = ["max_completion_tokens", "max_output_tokens", "max_tokens"] as const;

/** As OpenAI has them (https://platform.openai.com/docs/api-reference/completions/create). */
const maxChoices = 128;
const maxPrompts = 2_048;
/** Prompts times choices: what one answer can hold. */
const maxCompletions = 2_048;
/**
 * Ten tokens are a second (https://platform.openai.com/docs/guides/audio), and no sound that is taken has less than a
 * thousand bytes a second.
 */
const soundBytesPerToken = 100;
/** A page of a document is some 60 KB, and some 2,000 tokens. */
const fileBytesPerToken = 30;
const base64PerByte = 4 / 3;

/** What an endpoint reads beyond what all of them have. */
export type OwnFacts = {
  /** Completions of their own; 1 where it is not said. */
  prompts?: number;
  isSearch?: boolean;
  /** Calls of the provider's own tools that may bring input of their own. */
  hostedCalls?: number;
  hosted?: Usage;
  toolCallCap?: number | null;
  stores?: ResourceKind | null;
};

/** @throws BodyError where a member has the wrong type, or asks for what cannot be billed */
export function readRequestFacts(body: ScannedBody, readOwn: (model: string) => OwnFacts = () => ({})): CallFacts {
  const model = readName(body, "model", 256);
  if (model === null) throw new BodyError("you must provide a model parameter", "model");
  refuseWhatCannotBeBilled(body);
  const options = valueOf(body, "stream_options");
  const own = readOwn(model);
  const mediaTokens = countMedia(body, model);
  const resources = readResources(body);
  return {
    model,
    isStream: readBoolean(body, "stream") ?? false,
    wantsUsageChunk: isObject(options) && options.include_usage === true,
    isSearch: own.isSearch ?? false,
    resources,
    stores: own.stores ?? null,
    bound: readBound(body, own, { mediaTokens, resources: resources.length }),
    mediaTokens: mediaTokens + Math.ceil(body.findings.fileBytes / fileBytesPerToken),
    toolCallCap: own.toolCallCap ?? null,
  };
}

function refuseWhatCannotBeBilled(body: ScannedBody): void {
  if (readBoolean(body, "background") === true) {
    throw new BodyError("Background responses are not offered here.", "background");
  }
}

/** The things that a body goes on from, by the members that name them. @throws BodyError where one names nothing */
export function readResources(body: ScannedBody): ResourceRef[] {
  const resources: ResourceRef[] = [];
  const responseId = readName(body, "previous_response_id", maxIdChars);
  if (responseId !== null) resources.push({ kind: "response", id: responseId, param: "previous_response_id" });
  const conversationId = readConversation(body);
  if (conversationId !== null) resources.push({ kind: "conversation", id: conversationId, param: "conversation" });
  return resources;
}

const maxIdChars = 512;

/** An id, or an object that has one. */
function readConversation(body: ScannedBody): string | null {
  const value = valueOf(body, "conversation") ?? null;
  return checkName(isObject(value) ? (value.id ?? "") : value, "conversation", maxIdChars);
}

/** Pictures and sound that the body carries, or points at, as the model counts them. */
function countMedia({ findings }: ScannedBody, model: string): number {
  let tokens = Math.ceil(findings.audioBytes / base64PerByte / soundBytesPerToken);
  for (const { size, detail } of findings.pictures) tokens += pictureTokens(model, size, detail);
  return tokens;
}

function readBound(
  body: ScannedBody,
  { prompts = 1, hostedCalls = 0, hosted = {} }: OwnFacts,
  { mediaTokens, resources }: { mediaTokens: number; resources: number },
): CostBound {
  const prediction = body.spans.get("prediction");
  return {
    inputTokens: body.bytes.length - body.findings.inlineBytes + mediaTokens,
    remoteInputs: body.findings.remotes + resources,
    hostedCalls,
    outputTokens: readOutputCap(body),
    choices: readChoices(body, prompts),
    extraOutputTokens: prediction ? prediction.end - prediction.start : 0,
    hosted,
    otherClasses: readClasses(body),
    serviceTier: readName(body, "service_tier", 64),
  };
}

/** Classes that a request may be billed in beyond those of text. */
function readClasses(body: ScannedBody): string[] {
  const classes: string[] = [];
  if (body.findings.pictures.length > 0) classes.push("image_input");
  if (body.findings.audioBytes > 0) classes.push("audio_input");
  const modalities = valueOf(body, "modalities");
  if (Array.isArray(modalities) && modalities.includes("audio")) classes.push("audio_output");
  const cache = valueOf(body, "prompt_cache_options");
  if (isObject(cache) && cache.ttl === "12h") classes.push("cache_write_12h");
  return classes;
}

/** Completions of one request: each prompt is completed `n` or `best_of` times. */
function readChoices(body: ScannedBody, prompts: number): number {
  if (prompts > maxPrompts) throw new BodyError(`prompt must have at most ${maxPrompts} elements.`, "prompt");
  let perPrompt = 1;
  for (const name of ["n", "best_of"]) {
    const choices = readCount(body, name) ?? 1;
    if (choices > maxChoices) throw new BodyError(`${name} must be at most ${maxChoices}.`, name);
    perPrompt = Math.max(perPrompt, choices);
  }
  if (prompts * perPrompt > maxCompletions) {
    throw new BodyError(`The prompts times n (or best_of) must be at most ${maxCompletions}.`, "prompt");
  }
  return prompts * perPrompt;
}

/** Of each tool what says which one it is, and nothing of what a client's own tool takes. */
export const readTools = ({ bytes, findings }: ScannedBody): Record<keyof ToolSpans, unknown>[] =>
  findings.tools.map(({ type, container, environment }) => ({
    type: type && valueAt(bytes, type, "tools"),
    container: container && valueAt(bytes, container, "tools"),
    environment: environment && valueAt(bytes, environment, "tools"),
  }));

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

export function readBoolean(body: ScannedBody, key: string): boolean | null {
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

/** A name that the database is asked for, or keeps; null: not given. */
export const readName = (body: ScannedBody, key: string, maxChars: number): string | null =>
  checkName(valueOf(body, key) ?? null, key, maxChars);

function checkName(value: unknown, key: string, maxChars: number): string | null {
  if (value === null) return null;
  if (typeof value !== "string" || value === "")
    throw new BodyError(`${key} must be a string that says something.`, key);
  if (value.length > maxChars) throw new BodyError(`${key} is too long.`, key);
  if (!isStorable(value)) throw new BodyError(`${key} has characters that are not text.`, key);
  return value;
}

export function readCount(body: ScannedBody, key: string): number | null {
  const value = valueOf(body, key) ?? null;
  if (value === null) return null;
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > 10_000_000) {
    throw new BodyError(`${key} must be a whole number of zero or more.`, key);
  }
  return value as number;
}
