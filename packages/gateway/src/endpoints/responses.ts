import { boundHostedTools, defaultMaxToolCalls } from "../metering/hosted-tools.ts";
import { createStreamMeter, meterText } from "../metering/meter-answer.ts";
import { readCount, readRequestFacts, readTools, type OwnFacts } from "../metering/request-facts.ts";
import type { ScannedBody } from "../metering/scan-body.ts";
import type { Endpoint } from "./endpoint.ts";
import { withCap, withIdentifier, withToolCap } from "./rewrites.ts";

export const responses: Endpoint = {
  name: "responses",
  method: "POST",
  path: "/v1/responses",
  outputCap: "max_output_tokens",
  hasTypedEvents: true,
  readRequest: (body) => readRequestFacts(body, () => readOwn(body)),
  rewriteBody: (request) => ({
    ...withCap(request, "max_output_tokens"),
    ...withToolCap(request),
    ...withIdentifier(request),
  }),
  meterWhole: meterText,
  meterStream: (tools) => createStreamMeter(true, tools),
};

function readOwn(body: ScannedBody): OwnFacts {
  const maxToolCalls = readCount(body, "max_tool_calls");
  const hosted = boundHostedTools(readTools(body), maxToolCalls);
  const mustCapTools = Object.keys(hosted).length > 0 && maxToolCalls === null;
  return {
    hosted,
    toolCallCap: mustCapTools ? defaultMaxToolCalls : null,
    isInputRemote: isStoredPrompt(body),
  };
}

/** Here `prompt` names a template that lies with the provider. */
function isStoredPrompt(body: ScannedBody): boolean {
  const prompt = body.spans.get("prompt");
  return prompt !== undefined && isContainer(body.bytes[prompt.start]);
}

const isContainer = (byte: number | undefined) => byte === 0x7b || byte === 0x5b;
