/** Whether a request that changes something comes from our own pages (https://owasp.org, CSRF prevention: origin headers). */
export function isSameOrigin(request: Request, publicOrigin: string): boolean {
  if (request.method === "GET" || request.method === "HEAD") return true;
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin" || site === "none";
  const origin = request.headers.get("origin");
  if (origin === null) return false;
  // Browsers leave Sec-Fetch-Site out on plain http, where a gateway on the LAN is reached by its number.
  return origin === publicOrigin || (URL.canParse(origin) && new URL(origin).host === request.headers.get("host"));
}
