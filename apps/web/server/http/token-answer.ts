/** POST /api/auth/token, for scripts: e-mail address and password, or a token that still holds, become an access token. */
import { createCaller, createContext, faultOf, type Services } from "@codex-gateway/api";
import { TRPCError } from "@trpc/server";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import { accessTokenOf } from "./page-api.ts";

export const tokenPath = "/api/auth/token";

/** Sets no cookie and reads none. Rejects where something is broken. */
export async function answerToken(services: Services, request: Request, address: string): Promise<Response> {
  if (request.method !== "POST") return refuseToken(405, "Use POST.");
  const accessToken = accessTokenOf(request);
  const context = await createContext(services, {
    headers: request.headers,
    address,
    // An empty token is nobody's: a cookie must not count here.
    accessToken: accessToken ?? "",
    setCookie: () => undefined,
  });
  const { auth } = createCaller(context);
  try {
    const issued =
      accessToken === null
        ? await auth.token((await request.json().catch(() => null)) as Parameters<typeof auth.token>[0])
        : await auth.renewToken();
    const expiresIn = Math.round((issued.expiresAt.getTime() - Date.now()) / 1_000);
    return Response.json({ access_token: issued.token, token_type: "Bearer", expires_in: expiresIn });
  } catch (error) {
    const fault = faultOf(error);
    if (!fault || !(error instanceof TRPCError)) throw error;
    const headers = fault.wait && { "retry-after": String(fault.wait.seconds) };
    return refuseToken(getHTTPStatusCodeFromError(error), fault.message, headers ?? {});
  }
}

export const refuseToken = (status: number, message: string, headers: Record<string, string> = {}): Response =>
  Response.json({ error: { message } }, { status, headers });
