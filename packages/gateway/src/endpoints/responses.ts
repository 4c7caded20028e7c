import { defineShape } from "../metering/body-shape.ts";
import { boundHostedTools, defaultMaxToolCalls, isHostedTool } from "../metering/hosted-tools.ts";
import { createStreamMeter, meterText } from "../metering/meter-answer.ts";
import { readCount, readRequestFacts, readTools, type OwnFacts } from "../metering/request-facts.ts";
import { isGiven, type ScannedBody } from "../metering/scan-body.ts";
import { BodyError } from "../transport/body-error.ts";
import type { Endpoint } from "./endpoint.ts";
import { withCap, withIdentifier, withToolCap } from "./rewrites.ts";

export const responses: Endpoint = {
  name: "responses",
  method: "POST",
  path: "/v1/responses",
  outputCap: "max_output_tokens",
  hasTypedEvents: true,
  shape: defineShape({ input: "items", instructions: "content", tools: "tools" }),
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
  if (isGiven(body, "prompt")) throw new BodyError("Stored prompts are not offered here.", "prompt");
  const maxToolCalls = readCount(body, "max_tool_calls");
  const tools = readTools(body);
  const hosted = boundHostedTools(tools, maxToolCalls);
  if (hosted.container_gb && body.findings.hasContainer) {
    // A new one goes on with the one that an earlier call names, whoever's it is.
    throw new BodyError("Stored containers are not offered here. Leave container_id out.", "container_id");
  }
  if (!tools.some(isHostedTool)) return { hosted };
  return {
    hosted,
    hostedCalls: maxToolCalls ?? defaultMaxToolCalls,
    toolCallCap: maxToolCalls === null ? defaultMaxToolCalls : null,
  };
}
