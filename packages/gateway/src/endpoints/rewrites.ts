/** Members that are set in a body before it goes upstream. Each is left out where nothing needs to be set. */
import { outputCapNames } from "../metering/request-facts.ts";
import { isGiven, valueOf } from "../metering/scan-body.ts";
import type { HeldRequest } from "./endpoint.ts";

type Members = Record<string, unknown>;

/** Asks for the usage of a stream, whether or not the client asked for it. */
export function withUsageChunk({ body, facts }: HeldRequest): Members {
  if (!facts.isStream || facts.wantsUsageChunk) return {};
  const options = valueOf(body, "stream_options");
  return { stream_options: { ...(typeof options === "object" ? options : {}), include_usage: true } };
}

/** Sets the cap that the hold covers, under the client's own names for it where it set one. */
export function withCap({ body, hold }: HeldRequest, outputCap: (typeof outputCapNames)[number]): Members {
  if (hold.outputCapTokens === null) return {};
  const own = outputCapNames.filter((name) => body.spans.has(name));
  return Object.fromEntries((own.length > 0 ? own : [outputCap]).map((name) => [name, hold.outputCapTokens]));
}

/** Tells the provider's users apart by a hash where the client does not. */
export const withIdentifier = ({ body, caller }: HeldRequest): Members =>
  isGiven(body, "safety_identifier") ? {} : { safety_identifier: caller.safetyIdentifier };

/** Caps the calls of the provider's own tools where the client does not. */
export const withToolCap = ({ facts }: HeldRequest): Members =>
  facts.toolCallCap === null ? {} : { max_tool_calls: facts.toolCallCap };
