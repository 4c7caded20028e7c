/** Answers what is no static file on the pages' port: /api/trpc, and Remix with its /v1 resource route. */
import { randomBytes, randomUUID } from "node:crypto";
import { faultOf, type Services } from "@codex-gateway/api";
import { isDatabaseDown } from "@codex-gateway/domain";
import type { Log, WebDoor } from "@codex-gateway/gateway";
import { createRequestHandler, data } from "@remix-run/node";
import { accessTokenOf, answerTrpc, openPageApi } from "./page-api.ts";
import type { PageSource } from "./page-source.ts";
import { isSameOrigin } from "./same-origin.ts";
import { answerToken, refuseToken, tokenPath } from "./token-answer.ts";
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
export function createPageHandler(source: PageSource, services: PageServices): WebHandler {
  const { api, log, publicUrl } = services;
  const handle = createRequestHandler(source.build, source.mode);

  /** Answers say only that they failed, and by which id the log tells more. */
  function logFailure(what: "page" | "procedure" | "token", error: Error, where: { requestId: string }): number {
    const isDown = isDatabaseDown(error);
    log("error", `${what}_${isDown ? "without_database" : "failed"}`, { ...where, error: error.message });
    return isDown ? 503 : 500;
  }

  function fail(error: Error): never {
    const requestId = randomUUID();
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how Remix is told a status
    throw data({ requestId }, { status: logFailure("page", error, { requestId }) });
  }

  function failToken(error: Error): Response {
    const requestId = randomUUID();
    const cause = error.cause instanceof Error ? error.cause : error;
    return refuseToken(logFailure("token", cause, { requestId }), "Something went wrong.", {
      "x-request-id": requestId,
    });
  }

  async function answer(request: Request, remoteAddress: string, closeSignal: AbortSignal, nonce: string) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/api/trpc/")) {
      return answerTrpc(api, request, remoteAddress, (error, where) => logFailure("procedure", error, where));
    }
    if (pathname === tokenPath) return answerToken(api, request, remoteAddress).catch(failToken);
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
    for (const [name, value] of Object.entries(securityHeaders(nonce, isHttps, source)))
      response.headers.set(name, value);
    return response;
  };
}

/** No browser sends another site's request with a Bearer token, and with one its cookie does not count. */
const isScript = (pathname: string, request: Request): boolean =>
  pathname === tokenPath || (pathname.startsWith("/api/trpc/") && accessTokenOf(request) !== null);

function securityHeaders(nonce: string, isHttps: boolean, source: PageSource): Record<string, string> {
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    ...source.policy,
  ];
  return {
    "content-security-policy": policy.join("; "),
    // Tells other sites nothing. "no-referrer" would also blank the Origin of plain forms, by which they are let in.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    ...(isHttps ? { "strict-transport-security": "max-age=31536000; includeSubDomains" } : {}),
  };
}
