import { defineShape } from "../metering/body-shape.ts";
import { createStreamMeter, meterText } from "../metering/meter-answer.ts";
import { readRequestFacts } from "../metering/request-facts.ts";
import type { Endpoint } from "./endpoint.ts";
import { withCap, withUsageChunk } from "./rewrites.ts";

export const completions: Endpoint = {
  name: "completions",
  method: "POST",
  path: "/v1/completions",
  outputCap: "max_tokens",
  hasTypedEvents: false,
  shape: defineShape({ prompt: "content" }),
  readRequest: (body) => readRequestFacts(body, () => ({ prompts: body.findings.prompts })),
  rewriteBody: (request) => ({ ...withUsageChunk(request), ...withCap(request, "max_tokens") }),
  meterWhole: meterText,
  meterStream: (tools) => createStreamMeter(false, tools),
};
