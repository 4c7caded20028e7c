/**
 * Access tokens for scripts: JWTs (RFC 7519) that hold for a quarter of an hour, and no longer than the session that
 * they are bound to. They name the session as the database does, so that none can be turned into the session's cookie.
 */
import type { Database } from "@codex-gateway/db";
import { TimeSpan } from "oslo";
import { createJWT, validateJWT } from "oslo/jwt";
import type { Secrets } from "../security/secrets.ts";
import { findSessionUser, type SessionUser } from "./sessions.ts";

export type AccessToken = { token: string; expiresAt: Date };

const algorithm = "HS256";
const issuer = "codex-gateway";
const lifetime = new TimeSpan(15, "m");

export async function issueAccessToken(
  { tokenKey }: Pick<Secrets, "tokenKey">,
  { sessionId, userId }: { sessionId: string; userId: string },
): Promise<AccessToken> {
  const expiresAt = new Date(Date.now() + lifetime.milliseconds());
  const options = { issuer, subject: userId, expiresIn: lifetime, includeIssuedTimestamp: true };
  return { token: await createJWT(algorithm, tokenKey, { sid: sessionId }, options), expiresAt };
}

/** Who comes with the token, and by which session; null where token or session does not hold. */
export async function readAccessToken(
  db: Pick<Database, "prisma">,
  { tokenKey }: Pick<Secrets, "tokenKey">,
  token: string,
): Promise<{ user: SessionUser; sessionId: string } | null> {
  // What is no token, is signed by another key, or has expired is thrown.
  const jwt = await validateJWT(algorithm, tokenKey, token).catch(() => null);
  const sessionId = (jwt?.payload as { sid?: unknown } | undefined)?.sid;
  if (!jwt || jwt.issuer !== issuer || jwt.expiresAt === null || typeof sessionId !== "string") return null;
  const user = await findSessionUser(db, sessionId);
  return user && user.id === jwt.subject ? { user, sessionId } : null;
}
