/** Which pages in browsers may call `/v1` (https://fetch.spec.whatwg.org/#http-cors-protocol): those of named origins. */
import type { GatewayAnswer, GatewayCall } from "./call.ts";

const maxAgeSeconds = "600";
const exposed = [
  "x-request-id",
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
].join(", ");

/** To be put among an answer's headers; null where the call comes from no page that may see it. */
export function corsHeaders(
  { headers, path }: GatewayCall,
  allowedOrigins: ReadonlySet<string>,
): Record<string, string> | null {
  const { origin } = headers;
  if (typeof origin !== "string" || !allowedOrigins.has(origin) || !path.startsWith("/v1/")) return null;
  return { "access-control-allow-origin": origin, "access-control-expose-headers": exposed, vary: "Origin" };
}

/** The answer to what a browser asks before it calls; null for a call. Nobody has to have a key for it. */
export function answerPreflight({ method, headers }: GatewayCall): GatewayAnswer | null {
  if (method !== "OPTIONS" || headers["access-control-request-method"] === undefined) return null;
  const wanted = headers["access-control-request-headers"];
  return {
    status: 204,
    headers: {
      "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
      "access-control-allow-headers": typeof wanted === "string" ? wanted : "authorization, content-type",
      "access-control-max-age": maxAgeSeconds,
    },
    body: new Uint8Array(0),
  };
}
