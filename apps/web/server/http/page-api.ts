/** Gives pages and scripts the same procedures: in process for loaders and actions, as JSON under /api. */
import { randomUUID } from "node:crypto";
import {
  appRouter,
  createCaller,
  createContext,
  faultOf,
  isFailure,
  retryAfterOf,
  sessionTokensOf,
  translateError,
  type PageApi,
  type Services,
} from "@codex-gateway/api";
import type { TRPCError } from "@trpc/server";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import { TRPC_ERROR_CODES_BY_KEY } from "@trpc/server/rpc";
import type { Refusal } from "./admit-request.ts";

const maxBatch = 10;

/** What a script came with instead of a cookie; null: nothing. */
export const accessTokenOf = (request: Request): string | null =>
  /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;

/**
 * `fail` is told what no page can mend, and throws what the page is answered with instead. A form's fault goes back to
 * its form; where nothing was sent but an address, it is the address that is wrong, and the page says so.
 */
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
  const isSessionOver = context.user === null && sessionTokensOf(services.sessions, request.headers).length > 0;
  const onError = ({ error }: { error: TRPCError }) => {
    if (isFailure(error)) fail(error.cause ?? error);
    if (request.method !== "POST" && faultOf(error)) {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- how Remix is told a status
      throw new Response(null, { status: getHTTPStatusCodeFromError(error) });
    }
  };
  return { caller: createCaller(context, { onError }), user: context.user, isSessionOver, headers };
}

/** A batch has at most ten calls, however its commas are written. Failures are logged under the id that the answer has as x-request-id. */
export async function answerTrpc(
  services: Services,
  request: Request,
  address: string,
  logFailure: (error: Error, where: { requestId: string; path: string | undefined }) => void,
): Promise<Response> {
  const accessToken = accessTokenOf(request);
  const requestId = randomUUID();
  const headers = new Headers({ "x-request-id": requestId });
  const setCookie = (cookie: string) => headers.append("set-cookie", cookie);
  return fetchRequestHandler({
    endpoint: "/api/trpc",
    req: request,
    router: appRouter,
    maxBatchSize: maxBatch,
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

/** A refusal in the shape that tRPC's clients read. */
export function refuseTrpc({ status, message }: Refusal): Response {
  const code = codes[status] ?? "BAD_REQUEST";
  const shape = { message, code: TRPC_ERROR_CODES_BY_KEY[code], data: { code, httpStatus: status, fields: {} } };
  return Response.json({ error: shape }, { status });
}

const codes: Readonly<Record<number, keyof typeof TRPC_ERROR_CODES_BY_KEY>> = {
  405: "METHOD_NOT_SUPPORTED",
  408: "TIMEOUT",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
  429: "TOO_MANY_REQUESTS",
};
