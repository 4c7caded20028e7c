import { isObject } from "../metering/answer-facts.ts";
import { defineShape } from "../metering/body-shape.ts";
import { createStreamMeter, meterVectors } from "../metering/meter-answer.ts";
import { readRequestFacts } from "../metering/request-facts.ts";
import type { Endpoint } from "./endpoint.ts";
import { withIdentifier } from "./rewrites.ts";

/** Typed answers to questions about a text; its input alone is billed, cached or not. */
export const decisions: Endpoint = {
  name: "decisions",
  method: "POST",
  path: "/v1/decisions",
  outputCap: null,
  hasTypedEvents: false,
  shape: defineShape({ input: "items", questions: "content" }),
  readRequest: (body) => ({ ...readRequestFacts(body), isStream: false }),
  rewriteBody: withIdentifier,
  meterWhole: async (body, tools) => {
    const metered = await meterVectors(body, tools);
    return { ...metered, facts: { ...metered.facts, usage: inputOf(metered.facts.usage) } };
  },
  meterStream: (tools) => createStreamMeter(false, tools),
};

/** Of a usage object what is billed; what states no input is left as it is, to be counted. */
const inputOf = (usage: unknown): unknown =>
  isObject(usage) && usage.input_tokens !== undefined ? { input_tokens: usage.input_tokens, output_tokens: 0 } : usage;
