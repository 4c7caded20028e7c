/**
 * Links by which somebody chooses a password: asked for by mail, or made by an admin who hands it on. A link is used once,
 * and a new one takes the place of those before it.
 */
import type { Database, Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { networkOf } from "../security/client-network.ts";
import { forgetKnownClients } from "./known-clients.ts";
import { createLinkToken, hashLinkToken } from "./link-tokens.ts";
import { lockManagedUser } from "./managed-user.ts";
import { openSession, type OpenedSession, type Visitor } from "./sessions.ts";
import { forgetAttempts, tooManyAttempts, type Throttles } from "./throttles.ts";
import { hasTwoFactors } from "./two-factors.ts";

export type ResetLink = { token: string; expiresAt: Date };

const mailedMinutes = 30;
const byAdminHours = 24;
const firstPasswordDays = 7;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

type NewLink = { userId: string; createdBy: string | null; lastsMs: number };

/** Within the caller's transaction, which tells it in the audit log. */
async function insertResetLink(client: Queryable, { userId, createdBy, lastsMs }: NewLink): Promise<ResetLink> {
  const { token, hash } = createLinkToken();
  const expiresAt = new Date(Date.now() + lastsMs);
  await client.query("DELETE FROM password_reset WHERE user_id = $1", [userId]);
  await client.query(
    "INSERT INTO password_reset (token_hash, user_id, created_by, expires_at) VALUES ($1, $2, $3, $4)",
    [hash, userId, createdBy, expiresAt],
  );
  return { token, expiresAt };
}

/** For a user who was made without a password. */
export const insertFirstPasswordLink = (
  client: Queryable,
  { userId, createdBy }: { userId: string; createdBy: string | null },
): Promise<ResetLink> => insertResetLink(client, { userId, createdBy, lastsMs: firstPasswordDays * 24 * hourMs });

/** The password that there is works on until the link is used. @throws AppError `not_found`, `forbidden` */
export async function issueResetLink(
  db: Database,
  { userId, actor }: { userId: string; actor: Actor },
): Promise<ResetLink> {
  return recordAct(db, actor, async (client) => {
    await lockManagedUser(client, { userId, actor }, { isOwnAllowed: true });
    const link = await insertResetLink(client, { userId, createdBy: actor.userId, lastsMs: byAdminHours * hourMs });
    const after = { expiresAt: link.expiresAt.toISOString() };
    return {
      act: { action: "issue_reset_link", targetKind: "user", targetId: userId, before: null, after },
      result: link,
    };
  });
}

/**
 * A link for the account of this address, to be mailed there; null where there is none, or where it was asked for often
 * enough: whoever asks hears the same. @throws AppError `too_many_attempts` where this network asks too often
 */
export async function requestPasswordReset(
  db: Database,
  throttles: Throttles,
  { email, address }: { email: string; address: string },
): Promise<ResetLink | null> {
  await throttles.perResetter.consume(networkOf(address).network).catch((error: unknown) => {
    throw tooManyAttempts(error);
  });
  const isOften = await throttles.perResetAccount.consume(email).then(
    () => false,
    (error: unknown) => {
      if (error instanceof Error) throw error;
      return true;
    },
  );
  if (isOften) return null;
  return recordAct(db, { userId: null, email, address }, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM "user" WHERE email = $1 AND status = 'active' AND deleted_at IS NULL FOR NO KEY UPDATE`,
      [email],
    );
    const userId = rows[0]?.id;
    if (!userId) return { act: null, result: null };
    const link = await insertResetLink(client, { userId, createdBy: null, lastsMs: mailedMinutes * minuteMs });
    const after = { expiresAt: link.expiresAt.toISOString() };
    return {
      act: { action: "request_reset", targetKind: "user", targetId: userId, before: null, after },
      result: link,
    };
  });
}

/** Whose password the link sets; null where it is used, replaced or too old. */
export async function readResetLink(
  { pool }: Pick<Database, "pool">,
  token: string,
): Promise<{ email: string } | null> {
  const { rows } = await pool.query<{ email: string }>(
    `SELECT u.email FROM password_reset r JOIN "user" u ON u.id = r.user_id
     WHERE r.token_hash = $1 AND r.expires_at > now() AND u.status = 'active' AND u.deleted_at IS NULL`,
    [hashLinkToken(token)],
  );
  return rows[0] ?? null;
}

const noSuchLink = () => new AppError("invalid_input", "This link was used, replaced or has expired.");

/**
 * Sets the password, ends every session and opens a new one; null where the account has two factors, so that its user logs
 * in with both. @throws AppError `invalid_input` where the link does not hold, `too_many_attempts`, `busy`
 */
export async function completePasswordReset(
  db: Database,
  throttles: Throttles,
  { token, password }: { token: string; password: string },
  visitor: Visitor,
): Promise<OpenedSession | null> {
  const found = await readResetLink(db, token);
  if (!found) throw noSuchLink();
  const { email } = found;
  const { address } = visitor;
  const { network } = networkOf(address);
  // Who has the link is no stranger.
  const passwordHash = await throttles.passwords.admit({ account: `${email}|${network}`, network }, (hasher) =>
    hasher.hash(password, { isKnown: true }),
  );
  const hash = hashLinkToken(token);
  return recordAct(db, { userId: null, email, address }, async (client) => {
    const taken = await client.query<{ user_id: string }>(
      `DELETE FROM password_reset r USING "user" u WHERE r.token_hash = $1 AND r.expires_at > now()
         AND u.id = r.user_id AND u.status = 'active' AND u.deleted_at IS NULL RETURNING r.user_id`,
      [hash],
    );
    const userId = taken.rows[0]?.user_id;
    if (!userId) throw noSuchLink();
    const ended = await setPassword(client, { userId, email, passwordHash });
    const session = (await hasTwoFactors(client, userId)) ? null : await openSession(client, { userId, visitor });
    const [before, after] = [{ sessions: ended }, { sessions: session ? 1 : 0 }];
    return {
      act: { action: "reset_password", targetKind: "user", targetId: userId, before, after },
      result: session,
    };
  });
}

/**
 * Within the caller's transaction: whoever knew the old password is out, and its owner can try again at once. Answers how
 * many sessions it ended.
 */
export async function setPassword(
  client: Queryable,
  { userId, email, passwordHash }: { userId: string; email: string; passwordHash: string },
): Promise<number> {
  await client.query('UPDATE "user" SET password_hash = $2 WHERE id = $1', [userId, passwordHash]);
  await client.query("DELETE FROM password_reset WHERE user_id = $1", [userId]);
  const { rowCount } = await client.query("DELETE FROM session WHERE user_id = $1", [userId]);
  await forgetKnownClients(client, userId);
  await forgetAttempts(client, email);
  return rowCount ?? 0;
}
