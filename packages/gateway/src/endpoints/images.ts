/** Images by JSON: made from words, or from other pictures. */
import { isObject, type AnswerFacts, type Json } from "../metering/answer-facts.ts";
import { defineShape } from "../metering/body-shape.ts";
import { estimateImageTokens } from "../metering/image-tokens.ts";
import { createStreamMeter, meterVectors, type MeterTools, type StreamMeter } from "../metering/meter-answer.ts";
import { readCount, readName, readRequestFacts } from "../metering/request-facts.ts";
import type { ScannedBody } from "../metering/scan-body.ts";
import { BodyError } from "../transport/body-error.ts";
import type { Endpoint } from "./endpoint.ts";

/** An image of which nobody says what it used. */
const unstatedTokens = 7_000;
const tokensPerPartialImage = 100;
const maxImages = 10;
/** An event that is shorter carries none. */
const minImageBytes = 64;

const images = (name: string, path: string): Endpoint => ({
  name: `images.${name}`,
  method: "POST",
  path: `/v1/images/${path}`,
  // What comes out of it takes no cap: the whole of it is held for.
  outputCap: null,
  hasTypedEvents: false,
  shape: defineShape({
    prompt: "content",
    images: "content",
    image: "content",
    mask: "content",
    quality: "text",
    size: "text",
    partial_images: "text",
    output_format: "text",
  }),
  readRequest: (body) => {
    const facts = readRequestFacts(body);
    const { bound } = facts;
    const extraOutputTokens = bound.choices * outputTokensOf(body);
    const otherClasses = [...new Set([...bound.otherClasses, "image_input", "image_output"])];
    return { ...facts, bound: { ...bound, choices: 1, extraOutputTokens, otherClasses } };
  },
  rewriteBody: () => ({}),
  meterWhole: async (body, tools) => {
    const { facts } = await meterVectors(body, tools);
    noteImageOutput(facts);
    return { facts, outputTokens: () => Promise.resolve(facts.items * unstatedTokens) };
  },
  meterStream: createImageMeter,
});

export const imageGenerations = images("generations", "generations");
export const imageEdits = images("edits", "edits");

/** The most that one image of those that are asked for comes to. */
function outputTokensOf(body: ScannedBody): number {
  const n = readCount(body, "n");
  if (n !== null && (n < 1 || n > maxImages)) throw new BodyError(`n must be from 1 to ${maxImages}.`, "n");
  if (readName(body, "output_format", 64) === "svg") {
    // A second model writes it, whose usage no charge has a line for.
    throw new BodyError("SVG is not offered here. Ask for png, jpeg, webp or gif.", "output_format");
  }
  const partial = readCount(body, "partial_images") ?? 0;
  const [quality, size] = [readName(body, "quality", 64), readName(body, "size", 64)];
  return estimateImageTokens({ quality, size }) + partial * tokensPerPartialImage;
}

/** Output that no split names is an image. */
function noteImageOutput(facts: AnswerFacts): void {
  const { usage } = facts;
  if (!isObject(usage) || isObject(usage.output_tokens_details)) return;
  if (typeof usage.output_tokens !== "number") return;
  facts.usage = { ...usage, output_tokens_details: { image_tokens: usage.output_tokens } } satisfies Json;
}

/** A stream of images ends with the only event that has a usage. */
function createImageMeter(tools: MeterTools): StreamMeter {
  const meter = createStreamMeter(false, tools);
  let partial = 0;
  return {
    ...meter,
    take: async (event) => {
      const kind = await meter.take(event);
      if (kind === "plain" && event.raw.length >= minImageBytes) partial++;
      if (kind !== "plain" || meter.facts.usage === null) return kind;
      noteImageOutput(meter.facts);
      return "terminal";
    },
    observedTokens: () => Promise.resolve(partial * tokensPerPartialImage),
  };
}
