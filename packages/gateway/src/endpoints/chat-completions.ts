import { defineShape } from "../metering/body-shape.ts";
import { defaultMaxToolCalls, isHostedTool } from "../metering/hosted-tools.ts";
import { readBoolean, readRequestFacts, readTools } from "../metering/request-facts.ts";
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
  shape: defineShape({ messages: "content", prediction: "content", tools: "tools", audio: "soundOut" }),
  readRequest: (body) =>
    readRequestFacts(body, (model) => ({
      ...(doesSearch(body, model) ? oneSearch : withTools(body)),
      stores: readBoolean(body, "store") === true ? "chat_completion" : null,
    })),
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
const oneSearch = { isSearch: true, hosted: { web_search_call: 1 }, hostedCalls: 1 };

/** OpenAI has no other tools here than the client's own; other providers do, and name no cap for them. */
const withTools = (body: ScannedBody) =>
  readTools(body).some(isHostedTool) ? { hostedCalls: defaultMaxToolCalls } : {};
