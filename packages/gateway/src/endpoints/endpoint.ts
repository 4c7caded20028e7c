/** One endpoint of the OpenAI API: all that the gateway knows of it. Nothing else asks for an endpoint's name. */
import type { Caller, Hold } from "../ports.ts";
import type { BodyShape } from "../metering/body-shape.ts";
import type { CallFacts } from "../metering/request-facts.ts";
import type { MeteredWhole, MeterTools, StreamMeter } from "../metering/meter-answer.ts";
import type { ScannedBody } from "../metering/scan-body.ts";

export type Endpoint = {
  /** Stands in keys' allow-lists, charges, metrics and logs, e.g. `chat.completions`. */
  name: string;
  /** Stands in keys' allow-lists in its place, where it is a part of another one. */
  allowedAs?: string;
  method: "POST";
  path: string;
  /** Names the body's member that caps the output, per choice; null where there is no output to cap. */
  outputCap: "max_completion_tokens" | "max_output_tokens" | "max_tokens" | null;
  /** Tells whether the events of a stream name their type, and unknown ones are skipped, as on `/v1/responses`. */
  hasTypedEvents: boolean;
  /** Says what the members of its body are. */
  shape: BodyShape;
  /**
   * Reads what decides money, the ceiling of the usage included.
   * @throws BodyError where a member has the wrong type, or asks for what cannot be billed
   */
  readRequest(body: ScannedBody): CallFacts;
  /** Returns the members to be set in the client's own bytes before they go upstream. */
  rewriteBody(request: HeldRequest): Record<string, unknown>;
  meterWhole(body: Uint8Array, tools: MeterTools): MeteredWhole | Promise<MeteredWhole>;
  meterStream(tools: MeterTools): StreamMeter;
};

/** A request that is held for. */
export type HeldRequest = { body: ScannedBody; facts: CallFacts; hold: Hold; caller: Caller };
