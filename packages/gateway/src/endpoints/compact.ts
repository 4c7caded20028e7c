import type { CostBound } from "../ports.ts";
import { defineShape } from "../metering/body-shape.ts";
import { noHostedCalls } from "../metering/hosted-tools.ts";
import { createStreamMeter, meterText } from "../metering/meter-answer.ts";
import { readRequestFacts } from "../metering/request-facts.ts";
import type { Endpoint } from "./endpoint.ts";
import { responses } from "./responses.ts";

/**
 * A compaction says less than it was given, but takes no cap: so much of the input, in bytes to a token, is held for, within
 * what is usual. What goes beyond is charged all the same.
 */
const bytesPerOutputToken = 16;
const minOutputTokens = 2_048;
const maxOutputTokens = 32_768;

export const compact: Endpoint = {
  name: "responses.compact",
  allowedAs: responses.name,
  method: "POST",
  path: "/v1/responses/compact",
  outputCap: null,
  hasTypedEvents: false,
  shape: defineShape({ input: "items", instructions: "content", tools: "tools" }),
  readRequest: (body) => {
    const facts = readRequestFacts(body);
    return { ...facts, isStream: false, bound: withOutput(facts.bound) };
  },
  rewriteBody: () => ({}),
  meterWhole: async (body, tools) => {
    const metered = await meterText(body, tools);
    // The items in it are those that it was given: what they called was paid for when they were made.
    return { ...metered, facts: { ...metered.facts, hosted: noHostedCalls() } };
  },
  meterStream: (tools) => createStreamMeter(true, tools),
};

const withOutput = (bound: CostBound): CostBound => ({
  ...bound,
  outputTokens: null,
  extraOutputTokens: Math.min(
    Math.max(Math.ceil(bound.inputTokens / bytesPerOutputToken), minOutputTokens),
    maxOutputTokens,
  ),
});
