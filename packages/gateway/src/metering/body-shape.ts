/** Says what the members of a body at its top level are. In those that are not named here, only pointers at stored objects count. */
import { topLevel, type Place, type TopLevel } from "./request-places.ts";

type TopMember = {
  place: Place | null;
  /** Where it stands is remembered: billing reads its value. */
  isSpan: boolean;
  /** Said twice it is refused. */
  isRead: boolean;
};

export type BodyShape = ReadonlyMap<string, TopMember>;

/** Billing reads these of every body. */
const billed = (
  "model stream stream_options max_tokens max_completion_tokens max_output_tokens n best_of prediction service_tier " +
  "background conversation previous_response_id max_tool_calls web_search_options safety_identifier prompt_cache_options " +
  "modalities prompt tools store"
).split(" ");

/** The client's own words and switches: whatever is in them, nothing is fetched for it. */
const text = (
  "metadata text response_format tool_choice functions function_call reasoning include user stop logit_bias moderation " +
  "context_management truncation"
).split(" ");

/** `members` is what else a body has that decides something; other than `text` it is refused where it is said twice. */
export function defineShape(members: Readonly<Record<string, TopLevel>>): BodyShape {
  const shape = new Map<string, TopMember>();
  for (const name of text) shape.set(name, { place: null, isSpan: false, isRead: false });
  for (const name of billed) shape.set(name, { place: null, isSpan: true, isRead: true });
  for (const name of ["stream_options", "prompt_cache_options", "conversation"]) {
    shape.set(name, { place: topLevel.options, isSpan: true, isRead: true });
  }
  for (const name in members) {
    const place = topLevel[members[name] as TopLevel];
    shape.set(name, { place, isSpan: billed.includes(name) || place === null, isRead: true });
  }
  return shape;
}
