/**
 * Sessions by Lucia. The browser holds a random token; the database only its SHA-256, so that a read of the database
 * opens no session.
 */
import { createHash } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import {
  generateIdFromEntropySize,
  Lucia,
  TimeSpan,
  type Adapter,
  type DatabaseSession,
  type DatabaseUser,
} from "lucia";
import { networkOf } from "../security/client-network.ts";
import { noteKnownClient } from "./known-clients.ts";

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
/** The newest per user; who logs in once more ends the oldest. */
const maxPerUser = 1_000;
const tokenBytes = 25;

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

/** Who comes without being signed in: from where, with which browser. */
export type Visitor = {
  address: string;
  userAgent: string;
  /** By which the browser is known to accounts that were logged in to with it; null: a new one, or none. */
  browserToken: string | null;
  /** Of a session that the browser has had, and that ends when another one begins. */
  endedSessionId: string | null;
};

export type OpenedSession = {
  id: string;
  userId: string;
  /** What the browser keeps of it. */
  token: string;
  /** What the browser is known by from now on. */
  browserToken: string;
};

/** Opens a session within the transaction of the act that it follows from, which tells it in the audit log. */
export async function openSession(
  client: Queryable,
  { userId, visitor }: { userId: string; visitor: Visitor },
): Promise<OpenedSession> {
  const { address, userAgent, endedSessionId } = visitor;
  const token = generateIdFromEntropySize(tokenBytes);
  const [id, now] = [idOfSession(token), Date.now()];
  await client.query(
    `DELETE FROM session WHERE id = $2 OR user_id = $1 AND (expires_at <= now() OR absolute_expires_at <= now()
       OR id IN (SELECT id FROM session WHERE user_id = $1 ORDER BY created_at DESC OFFSET $3))`,
    [userId, endedSessionId ?? "", maxPerUser - 1],
  );
  await client.query(
    `INSERT INTO session (id, user_id, expires_at, absolute_expires_at, user_agent, address)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [
      id,
      userId,
      new Date(now + idleDays * dayMs),
      new Date(now + absoluteDays * dayMs),
      userAgent.slice(0, 300),
      address,
    ],
  );
  const { network } = networkOf(address);
  const browserToken = await noteKnownClient(client, { userId, network, browserToken: visitor.browserToken });
  return { id, userId, token, browserToken };
}

/** What the audit log calls a session. */
export const sessionName = (id: string): string => id.slice(0, 8);

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
