/** Whether a request that changes something comes from our own pages (https://owasp.org, CSRF prevention: origin headers). */
export function isSameOrigin(request: Request, publicOrigin: string): boolean {
  if (request.method === "GET" || request.method === "HEAD") return true;
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin" || site === "none";
  return request.headers.get("origin") === publicOrigin;
}
