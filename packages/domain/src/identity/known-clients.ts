/**
 * From where an account was logged in to: networks, and browsers by a random token that each keeps in a cookie of its own.
 * Whoever comes from there is no stranger to the account; it takes the password all the same.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import { Cookie } from "lucia";

/** The newest per user; an earlier one that is used again is a stranger's. */
const maxPerUser = 20;
const cookieSeconds = 400 * 86_400;

const ofNetwork = (network: string) => `network:${network}`;
const ofBrowser = (token: string) => `browser:${createHash("sha256").update(token).digest("hex")}`;

export type LoginCandidate = {
  user: { id: string; passwordHash: string; status: "active" | "suspended" } | null;
  /** What the browser's token is known as with this account; null where it is not. */
  knownBrowser: string | null;
  isKnownNetwork: boolean;
};

/** Whose the e-mail address is, and whether they were seen there before: in the same time, whatever the answer. */
export async function findLoginCandidate(
  { pool }: Pick<Database, "pool">,
  { email, network, browserToken }: { email: string; network: string; browserToken: string | null },
): Promise<LoginCandidate> {
  type Row = { id: string; password_hash: string; status: "active" | "suspended"; clients: string[] };
  const browser = browserToken === null ? null : ofBrowser(browserToken);
  const { rows } = await pool.query<Row>(
    `SELECT u.id, u.password_hash, u.status, ARRAY(
       SELECT k.client FROM known_client k WHERE k.user_id = u.id AND k.client = ANY ($2)) AS clients
     FROM "user" u WHERE u.email = $1`,
    [email, [ofNetwork(network), ...(browser === null ? [] : [browser])]],
  );
  const [row] = rows;
  return {
    user: row ? { id: row.id, passwordHash: row.password_hash, status: row.status } : null,
    knownBrowser: browser !== null && row?.clients.includes(browser) ? browser : null,
    isKnownNetwork: row?.clients.includes(ofNetwork(network)) ?? false,
  };
}

/** Notes from where the account is logged in to; answers with the token that the browser is to keep. */
export async function noteKnownClient(
  client: Queryable,
  { userId, network, browserToken }: { userId: string; network: string; browserToken: string | null },
): Promise<string> {
  // Only a token that was given for this account is kept: one that somebody else has put there is not taken over.
  const isKept = browserToken !== null && (await isKnown(client, userId, ofBrowser(browserToken)));
  const token = isKept ? browserToken : randomBytes(24).toString("base64url");
  await client.query(
    `INSERT INTO known_client (user_id, client) SELECT $1, unnest($2::text[])
     ON CONFLICT (user_id, client) DO UPDATE SET last_login_at = now()`,
    [userId, [ofNetwork(network), ofBrowser(token)]],
  );
  await client.query(
    `DELETE FROM known_client WHERE user_id = $1 AND client NOT IN (
       SELECT client FROM known_client WHERE user_id = $1 ORDER BY last_login_at DESC, client LIMIT $2)`,
    [userId, maxPerUser],
  );
  return token;
}

async function isKnown(client: Queryable, userId: string, knownAs: string): Promise<boolean> {
  const { rowCount } = await client.query("SELECT 1 FROM known_client WHERE user_id = $1 AND client = $2", [
    userId,
    knownAs,
  ]);
  return rowCount !== 0;
}

/** Whoever logged in with the password that is replaced is a stranger from now on. */
export async function forgetKnownClients(client: Queryable, userId: string): Promise<void> {
  await client.query("DELETE FROM known_client WHERE user_id = $1", [userId]);
}

/** The cookie in which a browser keeps its token; it opens nothing. */
export type BrowserCookie = { read(cookies: string): string | null; write(token: string): string };

/** `isHttps` decides the cookie's name and its Secure attribute. */
export function createBrowserCookie(isHttps: boolean): BrowserCookie {
  const name = isHttps ? "__Host-browser" : "browser";
  const pattern = new RegExp(`(?:^|;)\\s*${name}=([\\w-]{32})\\s*(?:;|$)`);
  const attributes = { httpOnly: true, secure: isHttps, sameSite: "lax", path: "/", maxAge: cookieSeconds } as const;
  return {
    read: (cookies) => pattern.exec(cookies)?.[1] ?? null,
    write: (token) => new Cookie(name, token, attributes).serialize(),
  };
}
