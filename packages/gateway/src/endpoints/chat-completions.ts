import { readRequestFacts } from "../metering/request-facts.ts";
import { createStreamMeter, meterText } from "../metering/meter-answer.ts";
import { isGiven, type ScannedBody } from "../metering/scan-body.ts";
import type { Endpoint } from "./endpoint.ts";
import { withCap, withIdentifier, withUsageChunk } from "./rewrites.ts";

export const chatCompletions: Endpoint = {
  name: "chat.completions",
  method: "POST",
  path: "/v1/chat/completions",
  outputCap: "max_completion_tokens",
  hasTypedEvents: false,
  readRequest: (body) => readRequestFacts(body, (model) => (doesSearch(body, model) ? oneSearch : {})),
  rewriteBody: (request) => ({
    ...withUsageChunk(request),
    ...withCap(request, "max_completion_tokens"),
    ...withIdentifier(request),
  }),
  meterWhole: meterText,
  meterStream: (tools) => createStreamMeter(false, tools),
};

/** A chat completion searches the web once where it is asked to, and always with a model that is made for it. */
const doesSearch = (body: ScannedBody, model: string) =>
  isGiven(body, "web_search_options") || /-search-(?:preview|api)/.test(model);

/** Its answer names no calls. */
const oneSearch = { isSearch: true, hosted: { web_search_call: 1 }, isInputRemote: true };
