/** Gives pages and scripts the same procedures: in process for loaders and actions, as JSON under /api. */
import { randomUUID } from "node:crypto";
import {
  appRouter,
  createCaller,
  createContext,
  isFailure,
  retryAfterOf,
  translateError,
  type PageApi,
  type Services,
} from "@codex-gateway/api";
import type { TRPCError } from "@trpc/server";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";

const maxBatch = 10;

/** What a script came with instead of a cookie; null: nothing. */
export const accessTokenOf = (request: Request): string | null =>
  /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;

/** `fail` is told what no page can mend, and throws what the page is answered with instead. */
export async function openPageApi(
  services: Services,
  request: Request,
  address: string,
  fail: (error: Error) => never,
): Promise<PageApi> {
  const headers = new Headers();
  const setCookie = (cookie: string) => headers.append("set-cookie", cookie);
  const context = await createContext(services, {
    headers: request.headers,
    address,
    accessToken: null,
    setCookie,
  }).catch(fail);
  const isSessionOver =
    context.user === null && services.sessions.readSessionCookie(request.headers.get("cookie") ?? "") !== null;
  const onError = ({ error }: { error: TRPCError }) => {
    if (isFailure(error)) fail(error.cause ?? error);
  };
  return { caller: createCaller(context, { onError }), user: context.user, isSessionOver, headers };
}

/** JSON only; a batch of at most ten. Failures are logged under the id that the answer has as x-request-id. */
export async function answerTrpc(
  services: Services,
  request: Request,
  address: string,
  logFailure: (error: Error, where: { requestId: string; path: string | undefined }) => void,
): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.split(",").length > maxBatch) return new Response("Too many calls in one batch.", { status: 400 });
  const isJson = (request.headers.get("content-type") ?? "").startsWith("application/json");
  if (request.method !== "GET" && !isJson) return new Response("Send application/json.", { status: 415 });
  const accessToken = accessTokenOf(request);
  const requestId = randomUUID();
  const headers = new Headers({ "x-request-id": requestId });
  const setCookie = (cookie: string) => headers.append("set-cookie", cookie);
  return fetchRequestHandler({
    endpoint: "/api/trpc",
    req: request,
    router: appRouter,
    createContext: () =>
      createContext(services, { headers: request.headers, address, accessToken, setCookie }).catch((error: unknown) => {
        throw translateError(error);
      }),
    responseMeta: ({ errors }) => {
      const waits = errors.flatMap((error) => retryAfterOf(error) ?? []);
      if (waits.length > 0) headers.set("retry-after", String(Math.max(...waits)));
      return { headers };
    },
    onError: ({ path, error }) => {
      if (isFailure(error)) logFailure(error.cause ?? error, { requestId, path });
    },
  });
}
