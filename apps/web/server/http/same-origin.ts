import type { WebClient } from "./web-bridge.ts";

/** Whether a request that changes something comes from our own pages (https://owasp.org, CSRF prevention: origin headers). */
export function isSameOrigin(
  { method, headers }: Pick<Request, "method" | "headers">,
  { origin: publicOrigin, host }: Pick<WebClient, "origin" | "host">,
): boolean {
  if (method === "GET" || method === "HEAD") return true;
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin" || site === "none";
  const origin = headers.get("origin");
  if (origin === null) return false;
  // Browsers leave Sec-Fetch-Site out on plain http, where a gateway on the LAN is reached by its number.
  return origin === publicOrigin || (URL.canParse(origin) && new URL(origin).host === host);
}
