/** What can be asked of a response that its provider keeps. */
import type { FreeEndpoint } from "./free-endpoint.ts";
import { responses } from "./responses.ts";

const ofResponse = (
  name: string,
  method: FreeEndpoint["method"],
  below: string,
  rest: Partial<FreeEndpoint> = {},
): FreeEndpoint => ({
  name: `responses.${name}`,
  allowedAs: responses.name,
  method,
  path: `/v1/responses/{response}${below}`,
  query: [],
  shape: null,
  effect: null,
  lists: null,
  ...rest,
});

export const storedResponses: readonly FreeEndpoint[] = [
  ofResponse("retrieve", "GET", "", {
    query: ["include", "include[]", "include_obfuscation", "starting_after", "stream"],
  }),
  ofResponse("delete", "DELETE", "", { effect: { deletes: "response" } }),
  ofResponse("cancel", "POST", "/cancel"),
  ofResponse("input_items", "GET", "/input_items", { query: ["after", "include", "include[]", "limit", "order"] }),
];
