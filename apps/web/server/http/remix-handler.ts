/** Answers what is no static file on the pages' port: /api/trpc, and Remix with its /v1 resource route. */
import { randomBytes, randomUUID } from "node:crypto";
import { faultOf, sessionTokensOf, type Services } from "@codex-gateway/api";
import { isDatabaseDown } from "@codex-gateway/domain";
import type { Log, WebDoor } from "@codex-gateway/gateway";
import { createRequestHandler, data, type AppLoadContext } from "@remix-run/node";
import { admitRequest, isRefusal, type Refusal } from "./admit-request.ts";
import { createBodyBudget } from "./body-budget.ts";
import { accessTokenOf, answerTrpc, openPageApi, refuseTrpc } from "./page-api.ts";
import type { PageSource } from "../boot/page-source.ts";
import type { PublicAddress } from "./public-address.ts";
import { createPageTurns } from "./page-turns.ts";
import { isSameOrigin } from "./same-origin.ts";
import { answerToken, refuseToken, tokenPath } from "./token-answer.ts";
import type { WebClient, WebHandler } from "./web-bridge.ts";

export type PageServices = {
  proxy: WebDoor;
  api: Services;
  log: Log;
  publicUrl: () => string;
  publicAddress: PublicAddress;
};

/** The answers of pages get the security headers and are kept nowhere; those of /v1 have their own. */
export function createPageHandler(source: PageSource, services: PageServices): WebHandler {
  const { api, log, publicUrl } = services;
  const handle = createRequestHandler(source.build, source.mode);
  const budget = createBodyBudget();
  const turns = createPageTurns();

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

  const contextOf = (client: WebClient, closeSignal: AbortSignal, nonce: string): AppLoadContext => ({
    nonce,
    proxy: (proxied: Request) => services.proxy(proxied, { remoteAddress: client.address, closeSignal }),
    api: (asking: Request) => openPageApi(api, asking, client.address, fail),
    apiUrl: () => services.publicAddress.apiUrl(client),
    pageUrl: () => services.publicAddress.pageUrl(client),
    faultOf,
    refusedStatus: null,
  });

  /** Once it is known to be bounded, whole and ours. */
  function answer(kind: Kind, request: Request, context: AppLoadContext, remoteAddress: string): Promise<Response> {
    if (kind === "trpc") {
      return answerTrpc(api, request, remoteAddress, (error, where) => logFailure("procedure", error, where));
    }
    if (kind === "token") return answerToken(api, request, remoteAddress).catch(failToken);
    return handle(request, context);
  }

  /** Bounded, whole and ours, in its turn; anything else is refused. */
  async function answerInTurn(kind: Kind, request: Request, context: AppLoadContext, { address }: WebClient) {
    const [session = null] = sessionTokensOf(api.sessions, request.headers);
    const entered = turns.enter(address, session);
    if (!entered) return refuseAtOnce(kind);
    try {
      const admitted = await admitRequest(request, { budget, address, body: bodyKinds[kind] });
      await entered.turn();
      // Its client has left meanwhile: nobody reads what would be made.
      if (request.signal.aborted) return new Response(null, { status: 408 });
      if (isRefusal(admitted)) return await refuse(kind, admitted, request, context);
      return await answer(kind, admitted.request, context, address).finally(admitted.release);
    } finally {
      entered.leave();
    }
  }

  /** In the shape that whoever asked can read. */
  async function refuse(kind: Kind, refusal: Refusal, request: Request, context: AppLoadContext): Promise<Response> {
    const response =
      kind === "trpc"
        ? refuseTrpc(refusal)
        : kind === "token"
          ? refuseToken(refusal.status, refusal.message)
          : await handle(refusedPage(request), { ...context, refusedStatus: refusal.status });
    if (refusal.status === 405) response.headers.set("allow", "GET, HEAD, POST");
    if (refusal.status === 429) response.headers.set("retry-after", "1");
    return whole(response);
  }

  return async ({ request, client, closeSignal }) => {
    const kind = kindOf(request);
    const { address } = client;
    const nonce = randomBytes(16).toString("base64");
    const context = contextOf(client, closeSignal, nonce);
    if (kind === "proxied") {
      // Remix answers no OPTIONS.
      if (request.method === "OPTIONS") return services.proxy(request, { remoteAddress: address, closeSignal });
      return handle(request, context);
    }
    const isForeign = !isScript(kind, request) && !isSameOrigin(request, client);
    const response = isForeign
      ? new Response("This request comes from another site.", { status: 403 })
      : await answerInTurn(kind, request, context, client);
    const isHttps = publicUrl().startsWith("https:");
    for (const [name, value] of Object.entries(securityHeaders(nonce, isHttps, source)))
      response.headers.set(name, value);
    if (new URL(request.url).pathname !== manifestPath) response.headers.set("cache-control", "private, no-store");
    return response;
  };
}

const tooMany = { status: 429, message: "Too many requests at once. Try again in a moment." };

/** Costs next to nothing: no page is made for it. */
function refuseAtOnce(kind: Kind): Response {
  const { status, message } = tooMany;
  const response =
    kind === "trpc"
      ? refuseTrpc(tooMany)
      : kind === "token"
        ? refuseToken(status, message)
        : new Response(message, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
  response.headers.set("retry-after", "1");
  return response;
}

/** What of ours an address leads to. */
type Kind = "page" | "trpc" | "token";
const bodyKinds = { page: "form", trpc: "json", token: "any" } as const;
/** Which route leads where, the same for everybody: the only answer of the pages that may be kept, as Remix says. */
const manifestPath = "/__manifest";

function kindOf(request: Request): Kind | "proxied" {
  const { pathname } = new URL(request.url);
  if (pathname === "/v1" || pathname.startsWith("/v1/")) return "proxied";
  if (pathname.startsWith("/api/trpc/")) return "trpc";
  return pathname === tokenPath ? "token" : "page";
}

/** No browser sends another site's request with a Bearer token, and with one its cookie does not count. */
const isScript = (kind: Kind, request: Request): boolean =>
  kind === "token" || (kind === "trpc" && accessTokenOf(request) !== null);

/** A request in the place of a refused one, for the route that says why: as a page, or as data for one. */
function refusedPage({ url, method, headers, signal }: Request): Request {
  const { origin, pathname } = new URL(url);
  const isPost = method === "POST";
  const own = new Headers(headers);
  for (const name of ["content-length", "content-encoding", "transfer-encoding", "content-type"]) own.delete(name);
  return new Request(`${origin}/refused${pathname.endsWith(".data") ? ".data" : ""}`, {
    method: isPost ? "POST" : "GET",
    headers: own,
    signal,
    ...(isPost ? { body: new URLSearchParams() } : {}),
  });
}

/** With its length, so that a client knows that it has all of it before its connection ends. */
async function whole(response: Response): Promise<Response> {
  const body = await response.arrayBuffer();
  const headers = new Headers(response.headers);
  headers.set("content-length", String(body.byteLength));
  return new Response(body, { status: response.status, headers });
}

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
