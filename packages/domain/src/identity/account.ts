/** What people change of their own account: e-mail address, password, sessions. */
import type { Database, Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, recordEvent, type Actor } from "../audit/audit.ts";
import { networkOf } from "../security/client-network.ts";
import { countGuess } from "./guesses.ts";
import { forgetKnownClients } from "./known-clients.ts";
import type { Hasher } from "./password-gate.ts";
import { openSession, sessionName, type OpenedSession, type Visitor } from "./sessions.ts";
import { forgetAttempts, type Throttles } from "./throttles.ts";

type Owner = Actor & { userId: string };

type OfAccount = {
  currentPassword: string;
  actor: Owner;
  sessionId: string | null;
  /** The browser that gets a new session in place of its own; null: a script, which logs in anew. */
  visitor: Visitor | null;
};

/**
 * Runs `work` where the current password is right. A session has ten wrong ones in a quarter of an hour, whoever sits at
 * it, and they shut nobody out who logs in elsewhere.
 * @throws AppError `invalid_input` at `currentPassword` where it is not the user's, `too_many_attempts`, `busy`
 */
async function withPassword<Result>(
  db: Database,
  throttles: Throttles,
  { currentPassword, actor, sessionId }: OfAccount,
  { action, work }: { action: string; work: (hasher: Hasher, checkedHash: string) => Promise<Result> },
): Promise<Result> {
  const { userId, email, address } = actor;
  const client = networkOf(address);
  const isKnown = true;
  return throttles.passwords.admit({ account: userId, network: client.network }, async (hasher) => {
    const known = `session:${sessionId ?? ""}`;
    const guess = await countGuess(throttles, { account: email ?? userId, client, known, isKnownNetwork: true });
    const user = await db.prisma.user.findUniqueOrThrow({ where: { id: userId } });
    const isRight = await hasher
      .isPasswordOf(user.passwordHash, currentPassword, { isKnown })
      .catch(async (error: unknown) => {
        await guess.forgive();
        throw error;
      });
    if (isRight) {
      await guess.forgive();
      return work(hasher, user.passwordHash);
    }
    const details = { attempt: action };
    await recordEvent(db, actor, { action: "wrong_password", targetKind: "user", targetId: userId, details });
    throw wrongPassword();
  });
}

const wrongPassword = () => new AppError("invalid_input", "The current password is wrong.", "currentPassword");

/** The e-mail address; nobody else changes the user until the transaction is over. @throws AppError where the password is another one by now */
async function lockChecked(client: Queryable, userId: string, checkedHash: string): Promise<string> {
  const { rows } = await client.query<{ email: string }>(
    'SELECT email FROM "user" WHERE id = $1 AND password_hash = $2 FOR UPDATE',
    [userId, checkedHash],
  );
  if (!rows[0]) throw wrongPassword();
  return rows[0].email;
}

/** Ends all sessions of the user; the browser at which they sit gets a new one. */
async function renewSessions(
  client: Queryable,
  { actor, visitor }: Pick<OfAccount, "actor" | "visitor">,
): Promise<{ ended: number; session: OpenedSession | null }> {
  const { rowCount } = await client.query("DELETE FROM session WHERE user_id = $1", [actor.userId]);
  const session = visitor && (await openSession(client, { userId: actor.userId, visitor }));
  return { ended: rowCount ?? 0, session };
}

/** Ends every session of the user but the one that it answers with. @throws AppError `conflict` where the address is taken */
export async function changeEmail(
  db: Database,
  throttles: Throttles,
  { email, ...of }: OfAccount & { email: string },
): Promise<OpenedSession | null> {
  const { actor } = of;
  const change = (_hasher: Hasher, checkedHash: string) =>
    recordAct(db, actor, async (client) => {
      const before = await lockChecked(client, actor.userId, checkedHash);
      if (before === email) return { act: null, result: null };
      const { rowCount } = await client.query(
        `UPDATE "user" SET email = $2 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM "user" WHERE email = $2 AND id <> $1)`,
        [actor.userId, email],
      );
      if (rowCount === 0) throw new AppError("conflict", "This e-mail address is registered already.", "email");
      const { ended: endedSessions, session } = await renewSessions(client, of);
      return {
        act: {
          action: "change_email",
          targetKind: "user",
          targetId: actor.userId,
          before,
          after: email,
          details: { endedSessions },
        },
        result: session,
      };
    });
  return withPassword(db, throttles, of, { action: "change_email", work: change });
}

/** Ends every session of the user but the one that it answers with: whoever knew the old password is out. */
export async function changePassword(
  db: Database,
  throttles: Throttles,
  { password, ...of }: OfAccount & { password: string },
): Promise<OpenedSession | null> {
  const { actor } = of;
  const change = async (hasher: Hasher, checkedHash: string) => {
    const passwordHash = await hasher.hash(password, { isKnown: true });
    return recordAct(db, actor, async (client) => {
      await lockChecked(client, actor.userId, checkedHash);
      await client.query('UPDATE "user" SET password_hash = $2 WHERE id = $1', [actor.userId, passwordHash]);
      await forgetKnownClients(client, actor.userId);
      await forgetAttempts(client, actor.email ?? "");
      const { ended, session } = await renewSessions(client, of);
      return {
        act: {
          action: "change_password",
          targetKind: "user",
          targetId: actor.userId,
          // The passwords themselves are nobody's to read; what ended with the old one is.
          before: { sessions: ended },
          after: { sessions: session ? 1 : 0 },
        },
        result: session,
      };
    });
  };
  return withPassword(db, throttles, of, { action: "change_password", work: change });
}

export type SessionSummary = {
  id: string;
  createdAt: Date;
  userAgent: string;
  address: string;
  isCurrent: boolean;
};

export async function listSessions(
  { prisma }: Pick<Database, "prisma">,
  { userId, sessionId }: { userId: string; sessionId: string | null },
): Promise<SessionSummary[]> {
  const rows = await prisma.session.findMany({
    where: { userId, expiresAt: { gt: new Date() } },
    orderBy: { createdAt: "desc" },
    take: 100,
  });
  return rows.map(({ id, createdAt, userAgent, address }) => ({
    id,
    createdAt,
    userAgent,
    address,
    isCurrent: id === sessionId,
  }));
}

/** @throws AppError `not_found` where the user has no such session */
export async function revokeSession(
  db: Database,
  { sessionId, actor }: { sessionId: string; actor: Owner },
): Promise<void> {
  await endSession(db, { sessionId, actor, action: "revoke_session" });
}

/** What has ended already ends without a word. */
export async function logOut(db: Database, { sessionId, actor }: { sessionId: string; actor: Owner }): Promise<void> {
  await endSession(db, { sessionId, actor, action: "logout" }).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error;
  });
}

async function endSession(
  db: Database,
  { sessionId, actor, action }: { sessionId: string; actor: Owner; action: "revoke_session" | "logout" },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const { rows } = await client.query<{ id: string; address: string }>(
      "DELETE FROM session WHERE id = $1 AND user_id = $2 RETURNING id, address",
      [sessionId, actor.userId],
    );
    const [ended] = rows;
    if (!ended) throw new AppError("not_found", "The session does not exist.");
    const before = { session: sessionName(ended.id), sessionAddress: ended.address };
    return {
      act: { action, targetKind: "user", targetId: actor.userId, before, after: null },
      result: undefined,
    };
  });
}
