/** Answers pages (and the /v1 resource route) on the pages' port: static assets, then Remix. */
import { randomBytes } from "node:crypto";
import { createRequestHandler, type ServerBuild } from "@remix-run/node";
import type { WebHandler } from "./web-bridge.ts";

export type PageServices = {
  proxy: (request: Request, remoteAddress: string, closeSignal: AbortSignal) => Promise<Response>;
};

/** A handler for everything that is no static file. Page answers get the security headers, /v1 answers their own. */
export function createPageHandler(build: ServerBuild, services: PageServices, isHttps: boolean): WebHandler {
  const handle = createRequestHandler(build, "production");
  return async ({ request, remoteAddress, closeSignal }) => {
    const nonce = randomBytes(16).toString("base64");
    const response = await handle(request, {
      nonce,
      proxy: (proxied: Request) => services.proxy(proxied, remoteAddress, closeSignal),
    });
    if (new URL(request.url).pathname.startsWith("/v1/")) return response;
    for (const [name, value] of Object.entries(securityHeaders(nonce, isHttps))) response.headers.set(name, value);
    return response;
  };
}

function securityHeaders(nonce: string, isHttps: boolean): Record<string, string> {
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    ...(isHttps ? { "strict-transport-security": "max-age=31536000; includeSubDomains" } : {}),
  };
}
