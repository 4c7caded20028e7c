/** What every procedure gets: who asks, from where, and what it may work with. */
import type { Actor, AlertTargets, Secrets, Sessions, SessionUser, Throttles } from "@codex-gateway/domain";
import type { createKey } from "@codex-gateway/domain";

/** The database as the domain takes it; this package does not know Prisma. */
export type Db = Parameters<typeof createKey>[0];

export type Services = {
  db: Db;
  secrets: Secrets;
  sessions: Sessions;
  throttles: Throttles;
  /** Asks an upstream for its models. @returns null where it answered, else why not, in one sentence */
  testUpstream: (upstream: { baseUrl: string; apiKey: string }) => Promise<string | null>;
  /** How this process fares with an upstream's calls. */
  healthOfUpstream: (id: string) => "healthy" | "failing" | "unused";
  /** Sends an alert that says it is a test. @returns null where it was taken, else why not, in one sentence */
  sendTestAlert: (targets: AlertTargets) => Promise<string | null>;
};

export type Context = Services & {
  user: SessionUser | null;
  /** The token of the session that the user came with. */
  sessionToken: string | null;
  address: string;
  userAgent: string;
  setCookie: (cookie: string) => void;
};

export const actorOf = ({ user, address }: Context): Actor => ({
  userId: user?.id ?? null,
  email: user?.email ?? null,
  address,
});

/** Opens a session and hands its cookie to the browser. An earlier session of this browser ends. */
export async function openSession(context: Context, userId: string): Promise<void> {
  const { sessions, sessionToken, userAgent, address, setCookie } = context;
  if (sessionToken !== null) await sessions.invalidateSession(sessionToken);
  const session = await sessions.createSession(userId, { userAgent, address });
  setCookie(sessions.createSessionCookie(session.id).serialize());
}

/** Reads who asks from the request's cookie, and renews the session's cookie where that is due. */
export async function createContext(
  services: Services,
  request: { headers: Headers; address: string; setCookie: (cookie: string) => void },
): Promise<Context> {
  const { sessions } = services;
  const token = sessions.readSessionCookie(request.headers.get("cookie") ?? "");
  const found = token === null ? null : await sessions.validateSession(token);
  if (found?.session?.fresh) request.setCookie(sessions.createSessionCookie(found.session.id).serialize());
  const user = found?.user ?? null;
  return {
    ...services,
    user: user && { id: user.id, email: user.email, role: user.role },
    sessionToken: found?.session ? token : null,
    address: request.address,
    userAgent: request.headers.get("user-agent") ?? "",
    setCookie: request.setCookie,
  };
}
