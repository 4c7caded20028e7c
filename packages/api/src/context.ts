/** What every procedure gets: who asks, from where, and what it may work with. */
import { readAccessToken } from "@codex-gateway/domain";
import type {
  Actor,
  AlertTargets,
  BrowserCookie,
  OpenedSession,
  Secrets,
  Sessions,
  SessionUser,
  Throttles,
  Visitor,
} from "@codex-gateway/domain";
import type { createKey } from "@codex-gateway/domain";
import { findSession } from "./session-cookies.ts";

/** The database as the domain takes it; this package does not know Prisma. */
type Db = Parameters<typeof createKey>[0];

/** Why an upstream did not answer, in one sentence, and which of its two halves is to blame. */
export type UpstreamFault = { message: string; field: "baseUrl" | "apiKey" };

export type Services = {
  db: Db;
  secrets: Secrets;
  sessions: Sessions;
  browserCookie: BrowserCookie;
  throttles: Throttles;
  /** Names the endpoints of `/v1` that a key may be kept to. */
  endpoints: readonly string[];
  /** Asks an upstream for its models. @returns null where it answered as it should */
  testUpstream: (upstream: {
    baseUrl: string;
    apiKey: string;
    isPrivateAllowed: boolean;
  }) => Promise<UpstreamFault | null>;
  /** How this process fares with an upstream's calls. */
  healthOfUpstream: (id: string) => "healthy" | "failing" | "unused";
  /** Sends an alert that says it is a test. @returns null where it was taken, else why not, in one sentence */
  sendTestAlert: (targets: AlertTargets) => Promise<string | null>;
};

export type Context = Services & {
  user: SessionUser | null;
  /** Of the session that the user came with, as the database knows it. */
  sessionId: string | null;
  /** Came with an access token: a script, which keeps no cookies. */
  isScript: boolean;
  address: string;
  userAgent: string;
  /** By which accounts know the browser; null: a new one. */
  browserToken: string | null;
  setCookie: (cookie: string) => void;
};

export const actorOf = ({ user, address }: Context): Actor => ({
  userId: user?.id ?? null,
  email: user?.email ?? null,
  address,
});

/** Who opens a session: the one that this browser has had ends with it. */
export const visitorOf = ({ address, userAgent, browserToken, sessionId }: Context): Visitor => ({
  address,
  userAgent,
  browserToken,
  endedSessionId: sessionId,
});

/** Hands the cookies of a session that was opened to the browser. */
export function handOver({ sessions, browserCookie, setCookie }: Context, opened: OpenedSession): void {
  setCookie(sessions.createSessionCookie(opened.token).serialize());
  setCookie(browserCookie.write(opened.browserToken));
}

export type ApiRequest = {
  headers: Headers;
  address: string;
  /** The access token that a script came with instead of a cookie; null: the cookie counts. */
  accessToken: string | null;
  setCookie: (cookie: string) => void;
};

/** Reads who asks: from the access token, or else from the cookie, which is renewed where that is due. */
export async function createContext(services: Services, request: ApiRequest): Promise<Context> {
  const found = request.accessToken === null ? await readCookie(services, request) : await readToken(services, request);
  return {
    ...services,
    user: found?.user ?? null,
    sessionId: found?.sessionId ?? null,
    isScript: request.accessToken !== null,
    address: request.address,
    userAgent: (request.headers.get("user-agent") ?? "").slice(0, maxUserAgent),
    browserToken: services.browserCookie.read(request.headers.get("cookie") ?? ""),
    setCookie: request.setCookie,
  };
}

/** What tells one device from another stands at its beginning. */
const maxUserAgent = 500;

type Found = { user: SessionUser; sessionId: string } | null;

const readToken = ({ db, secrets }: Services, { accessToken }: ApiRequest): Promise<Found> =>
  readAccessToken(db, secrets, accessToken ?? "");

async function readCookie({ sessions }: Services, { headers, setCookie }: ApiRequest): Promise<Found> {
  const found = await findSession(sessions, headers);
  if (!found) return null;
  if (found.isFresh) setCookie(sessions.createSessionCookie(found.token).serialize());
  const { id, email, role } = found.user;
  return { user: { id, email, role }, sessionId: found.sessionId };
}
