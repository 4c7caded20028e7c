import { defineShape } from "../metering/body-shape.ts";
import type { FreeEndpoint } from "./free-endpoint.ts";

export const moderations: FreeEndpoint = {
  name: "moderations",
  allowedAs: "moderations",
  method: "POST",
  path: "/v1/moderations",
  query: [],
  shape: defineShape({ input: "content" }),
  effect: null,
  lists: null,
};
