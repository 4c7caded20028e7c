import type { FreeEndpoint } from "./free-endpoint.ts";
import { responses } from "./responses.ts";

/** Counts what a response's input comes to: its body is a response's. */
export const inputTokens: FreeEndpoint = {
  name: "responses.input_tokens",
  allowedAs: responses.name,
  method: "POST",
  path: "/v1/responses/input_tokens",
  query: [],
  shape: responses.shape,
  effect: null,
  lists: null,
};
