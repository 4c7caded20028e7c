/** Answers what is no static file on the pages' port: /api/trpc, and Remix with its /v1 resource route. */
import { randomBytes, randomUUID } from "node:crypto";
import { faultOf, type Services } from "@codex-gateway/api";
import type { Log, WebDoor } from "@codex-gateway/gateway";
import { createRequestHandler, data, type ServerBuild } from "@remix-run/node";
import { accessTokenOf, answerTrpc, openPageApi } from "./page-api.ts";
import { isSameOrigin } from "./same-origin.ts";
import { answerToken, tokenPath } from "./token-answer.ts";
import type { WebHandler } from "./web-bridge.ts";

export type PageServices = {
  proxy: WebDoor;
  api: Services;
  log: Log;
  publicUrl: () => string;
  /** Where OpenAI clients are pointed; ends in /v1. */
  apiUrl: () => string;
};

/** Page answers get the security headers, /v1 answers their own. */
export function createPageHandler(build: ServerBuild, services: PageServices): WebHandler {
  const { api, log, publicUrl } = services;
  const handle = createRequestHandler(build, "production");

  /** The page says only that it failed, and by which id the log tells more. */
  function fail(error: Error): never {
    const requestId = randomUUID();
    const isDown = isDatabaseDown(error);
    log("error", isDown ? "page_without_database" : "page_failed", { requestId, error: error.message });
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how Remix is told a status
    throw data({ requestId }, { status: isDown ? 503 : 500 });
  }

  async function answer(request: Request, remoteAddress: string, closeSignal: AbortSignal, nonce: string) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/api/trpc/")) {
      return answerTrpc(api, request, remoteAddress, (path, error) =>
        log("error", "procedure_failed", { path, error: error.message }),
      );
    }
    if (pathname === tokenPath) return answerToken(api, request, remoteAddress);
    return handle(request, {
      nonce,
      proxy: (proxied: Request) => services.proxy(proxied, { remoteAddress, closeSignal }),
      api: (asking: Request) => openPageApi(api, asking, remoteAddress, fail),
      apiUrl: services.apiUrl,
      faultOf,
    });
  }

  return async ({ request, client, closeSignal }) => {
    const { pathname } = new URL(request.url);
    const nonce = randomBytes(16).toString("base64");
    const isProxied = pathname === "/v1" || pathname.startsWith("/v1/");
    if (!isProxied && !isScript(pathname, request) && !isSameOrigin(request, client)) {
      return new Response("This request comes from another site.", { status: 403 });
    }
    const response = await answer(request, client.address, closeSignal, nonce);
    if (isProxied) return response;
    const isHttps = publicUrl().startsWith("https:");
    for (const [name, value] of Object.entries(securityHeaders(nonce, isHttps))) response.headers.set(name, value);
    return response;
  };
}

/** No browser sends another site's request with a Bearer token, and with one its cookie does not count. */
const isScript = (pathname: string, request: Request): boolean =>
  pathname === tokenPath || (pathname.startsWith("/api/trpc/") && accessTokenOf(request) !== null);

/** A connection that is refused, lost or not there in time, or a database that starts, as `pg` and Prisma tell it. */
const isDatabaseDown = (error: unknown): boolean =>
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|P1001|P1017|terminat|Connection|timeout|starting up|shutting down|recovery mode/i.test(
    `${(error as { code?: string }).code ?? ""} ${(error as Error).message}`,
  );

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
    // Tells other sites nothing. "no-referrer" would also blank the Origin of plain forms, by which they are let in.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    ...(isHttps ? { "strict-transport-security": "max-age=31536000; includeSubDomains" } : {}),
  };
}
