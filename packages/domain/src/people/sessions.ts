/**
 * Sessions by Lucia. The browser holds a random token; the database only its SHA-256, so that a read of the database
 * opens no session.
 */
import { createHash } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { Lucia, TimeSpan, type Adapter, type DatabaseSession, type DatabaseUser } from "lucia";

export type SessionUser = { id: string; email: string; role: "owner" | "admin" | "user" };
export type Sessions = ReturnType<typeof createSessions>;

declare module "lucia" {
  interface Register {
    Lucia: Sessions;
    DatabaseUserAttributes: { email: string; role: "owner" | "admin" | "user" };
    DatabaseSessionAttributes: { userAgent: string; address: string };
  }
}

const idleDays = 14;
const absoluteDays = 90;
const dayMs = 86_400_000;

/** `isHttps` decides the cookie's name and its Secure attribute. */
export function createSessions(db: Pick<Database, "prisma">, isHttps: boolean) {
  return new Lucia(adapterFor(db), {
    sessionExpiresIn: new TimeSpan(idleDays, "d"),
    sessionCookie: {
      name: isHttps ? "__Host-session" : "session",
      attributes: { secure: isHttps, sameSite: "lax", path: "/" },
    },
    getUserAttributes: ({ email, role }) => ({ email, role }),
  });
}

/** What the database knows of a session's token. */
export const idOfSession = (token: string) => createHash("sha256").update(token).digest("hex");

/** Whose session it is; null where there is none with this id that still holds. */
export async function findSessionUser(
  { prisma }: Pick<Database, "prisma">,
  sessionId: string,
): Promise<SessionUser | null> {
  const now = new Date();
  const row = await prisma.session.findUnique({ where: { id: sessionId }, include: { user: true } });
  if (!row || row.user.status !== "active" || row.expiresAt <= now || row.absoluteExpiresAt <= now) return null;
  const { id, email, role } = row.user;
  return { id, email, role };
}

export async function endSession({ prisma }: Pick<Database, "prisma">, sessionId: string): Promise<void> {
  await prisma.session.deleteMany({ where: { id: sessionId } });
}

function adapterFor({ prisma }: Pick<Database, "prisma">): Adapter {
  return {
    async getSessionAndUser(token): Promise<[DatabaseSession | null, DatabaseUser | null]> {
      const row = await prisma.session.findUnique({ where: { id: idOfSession(token) }, include: { user: true } });
      if (!row || row.user.status !== "active" || row.absoluteExpiresAt <= new Date()) return [null, null];
      const { user } = row;
      return [
        {
          id: token,
          userId: user.id,
          expiresAt: row.expiresAt,
          attributes: { userAgent: row.userAgent, address: row.address },
        },
        { id: user.id, attributes: { email: user.email, role: user.role } },
      ];
    },
    async getUserSessions(userId) {
      const rows = await prisma.session.findMany({ where: { userId } });
      return rows.map((row) => ({
        id: row.id,
        userId,
        expiresAt: row.expiresAt,
        attributes: { userAgent: row.userAgent, address: row.address },
      }));
    },
    async setSession({ id, userId, expiresAt, attributes }) {
      const absoluteExpiresAt = new Date(Date.now() + absoluteDays * dayMs);
      const { userAgent, address } = attributes;
      await prisma.session.create({
        data: {
          id: idOfSession(id),
          userId,
          expiresAt,
          absoluteExpiresAt,
          userAgent: userAgent.slice(0, 300),
          address,
        },
      });
    },
    async updateSessionExpiration(token, expiresAt) {
      await prisma.session.updateMany({ where: { id: idOfSession(token) }, data: { expiresAt } });
    },
    async deleteSession(token) {
      await prisma.session.deleteMany({ where: { id: idOfSession(token) } });
    },
    async deleteUserSessions(userId) {
      await prisma.session.deleteMany({ where: { userId } });
    },
    async deleteExpiredSessions() {
      const now = new Date();
      await prisma.session.deleteMany({
        where: { OR: [{ expiresAt: { lte: now } }, { absoluteExpiresAt: { lte: now } }] },
      });
    },
  };
}
