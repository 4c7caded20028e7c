/**
 * Finds our session among a browser's cookies. Whatever else runs on the same host sets cookies too, so that a name may
 * come twice and a value may be anything; what cannot be a session's token is nobody's, and never an error.
 */
import { idOfSession, type Sessions } from "@codex-gateway/domain";

/** As Lucia makes them: 25 random bytes in base 32. */
const token = /^[a-z0-9]{40}$/;
/** Each is looked up, so there are no more than a browser could have come by. */
const maxTokens = 3;

/** What may be a session's token, in the browser's order. */
export function sessionTokensOf({ sessionCookieName }: Sessions, headers: Headers): string[] {
  const tokens = new Set<string>();
  for (const cookie of (headers.get("cookie") ?? "").split(";")) {
    const at = cookie.indexOf("=");
    if (cookie.slice(0, at).trim() !== sessionCookieName) continue;
    const value = cookie.slice(at + 1).trim();
    if (token.test(value)) tokens.add(value);
    if (tokens.size === maxTokens) break;
  }
  return [...tokens];
}

/** The first of them that holds; null where none does. */
export async function findSession(sessions: Sessions, headers: Headers) {
  for (const each of sessionTokensOf(sessions, headers)) {
    const { session, user } = await sessions.validateSession(each);
    if (session) return { token: each, sessionId: idOfSession(each), isFresh: session.fresh, user };
  }
  return null;
}
