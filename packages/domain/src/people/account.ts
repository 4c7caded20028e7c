/** What people change of their own account: e-mail address, password, sessions. */
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import { hashPassword, isPasswordOf } from "./passwords.ts";

type Owner = Actor & { userId: string };

/** @throws AppError `invalid_input` at `currentPassword` where it is not the user's */
async function requirePassword(db: Database, userId: string, password: string): Promise<void> {
  const user = await db.prisma.user.findUniqueOrThrow({ where: { id: userId } });
  if (!(await isPasswordOf(user.passwordHash, password))) {
    throw new AppError("invalid_input", "The current password is wrong.", "currentPassword");
  }
}

/** @throws AppError `conflict` where the address is taken */
export async function changeEmail(
  db: Database,
  { email, currentPassword, actor }: { email: string; currentPassword: string; actor: Owner },
): Promise<void> {
  await requirePassword(db, actor.userId, currentPassword);
  await inTransaction(db, async (client) => {
    const { rowCount } = await client.query(
      `UPDATE "user" SET email = $2 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM "user" WHERE email = $2 AND id <> $1)`,
      [actor.userId, email],
    );
    if (rowCount === 0) throw new AppError("conflict", "This e-mail address is registered already.", "email");
    await appendAudit(client, actor, {
      action: "change_email",
      targetKind: "user",
      targetId: actor.userId,
      details: { before: actor.email, after: email },
    });
  });
}

/** Ends every other session of the user: whoever knew the old password is out. */
export async function changePassword(
  db: Database,
  input: { password: string; currentPassword: string; sessionId: string | null; actor: Owner },
): Promise<void> {
  const { password, currentPassword, sessionId, actor } = input;
  await requirePassword(db, actor.userId, currentPassword);
  const passwordHash = await hashPassword(password);
  await inTransaction(db, async (client) => {
    await client.query('UPDATE "user" SET password_hash = $2 WHERE id = $1', [actor.userId, passwordHash]);
    await client.query("DELETE FROM session WHERE user_id = $1 AND id <> $2", [actor.userId, sessionId ?? ""]);
    await appendAudit(client, actor, { action: "change_password", targetKind: "user", targetId: actor.userId });
  });
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
  const { count } = await db.prisma.session.deleteMany({ where: { id: sessionId, userId: actor.userId } });
  if (count === 0) throw new AppError("not_found", "The session does not exist.");
  await appendAudit(db.pool, actor, { action: "revoke_session", targetKind: "user", targetId: actor.userId });
}
