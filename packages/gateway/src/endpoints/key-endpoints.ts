import { freeEndpoints } from "./free-endpoints.ts";
import { endpoints } from "./index.ts";

/** Names what a key may be kept to: an endpoint, or one with all that is free around it. */
export const keyEndpoints: readonly string[] = [
  ...new Set([
    ...endpoints.map(({ name, allowedAs = name }) => allowedAs),
    ...freeEndpoints.map(({ allowedAs }) => allowedAs),
  ]),
];
