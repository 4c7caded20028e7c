import { defineShape } from "../metering/body-shape.ts";
import { createStreamMeter, meterVectors } from "../metering/meter-answer.ts";
import { readRequestFacts } from "../metering/request-facts.ts";
import type { Endpoint } from "./endpoint.ts";

export const embeddings: Endpoint = {
  name: "embeddings",
  method: "POST",
  path: "/v1/embeddings",
  outputCap: null,
  hasTypedEvents: false,
  shape: defineShape({ input: "content" }),
  readRequest: (body) => readRequestFacts(body),
  rewriteBody: () => ({}),
  meterWhole: meterVectors,
  meterStream: (tools) => createStreamMeter(false, tools),
};
