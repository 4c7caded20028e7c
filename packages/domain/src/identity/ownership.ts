/** The owner hands the installation over: they offer it to somebody, who accepts. Until then nothing changes. */
import type { Database, Queryable } from "@codex-gateway/db";
import { lockInTransaction } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct } from "../audit/audit.ts";
import { withPassword, type OfAccount, type Owner } from "./account.ts";
import { openSession, type OpenedSession, type Visitor } from "./sessions.ts";
import type { Throttles } from "./throttles.ts";

const offerDays = 7;

export type OwnershipOffer = { email: string; isMine: boolean; expiresAt: Date };

/** The offer as the owner and whom it is made to see it; null for everybody else. */
export async function readOwnershipOffer(
  { pool }: Pick<Database, "pool">,
  { userId, role }: { userId: string; role: string },
): Promise<OwnershipOffer | null> {
  const { rows } = await pool.query<{ user_id: string; email: string; expires_at: Date }>(
    `SELECT o.user_id, u.email, o.expires_at FROM ownership_offer o JOIN "user" u ON u.id = o.user_id
     WHERE o.expires_at > now() AND u.status = 'active' AND u.deleted_at IS NULL`,
  );
  const [row] = rows;
  const isMine = row?.user_id === userId;
  return row && (isMine || role === "owner") ? { email: row.email, isMine, expiresAt: row.expires_at } : null;
}

/** In the place of an offer made before. @throws AppError `forbidden`, `not_found` at `email`, and as `withPassword` */
export async function offerOwnership(
  db: Database,
  throttles: Throttles,
  { email, ...of }: OfAccount & { email: string },
): Promise<void> {
  const { actor } = of;
  const offer = () =>
    recordAct(db, actor, async (client) => {
      await lockInTransaction(client, "setup");
      await requireOwner(client, actor.userId);
      const { rows } = await client.query<{ id: string }>(
        `SELECT id FROM "user" WHERE email = $1 AND status = 'active' AND role <> 'owner' AND deleted_at IS NULL`,
        [email],
      );
      const userId = rows[0]?.id;
      if (!userId) throw new AppError("invalid_input", "There is no such active user.", "email");
      await client.query("DELETE FROM ownership_offer");
      await client.query(
        "INSERT INTO ownership_offer (user_id, expires_at) VALUES ($1, now() + $2::int * interval '1 day')",
        [userId, offerDays],
      );
      return {
        act: { action: "offer_ownership", targetKind: "user", targetId: userId, before: null, after: { email } },
        result: undefined,
      };
    });
  return withPassword(db, throttles, of, { action: "offer_ownership", work: offer });
}

/** By the owner who made it, or by whom it was made to. What is not there stays away. */
export async function dropOwnershipOffer(db: Database, { actor }: { actor: Owner }): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const { rows } = await client.query<{ user_id: string }>(
      `DELETE FROM ownership_offer WHERE user_id = $1
         OR EXISTS (SELECT 1 FROM "user" WHERE id = $1 AND role = 'owner') RETURNING user_id`,
      [actor.userId],
    );
    const [dropped] = rows;
    if (!dropped) return { act: null, result: undefined };
    const isDeclined = dropped.user_id === actor.userId;
    return {
      act: {
        action: isDeclined ? "decline_ownership" : "withdraw_ownership",
        targetKind: "user",
        targetId: dropped.user_id,
        before: { userId: dropped.user_id },
        after: null,
      },
      result: undefined,
    };
  });
}

/** Who was the owner is an admin from now on; sessions of both end, but for a new one here. @throws AppError `not_found` where there is no offer */
export async function acceptOwnership(
  db: Database,
  { actor, visitor }: { actor: Owner; visitor: Visitor | null },
): Promise<OpenedSession | null> {
  const { userId } = actor;
  return recordAct(db, actor, async (client) => {
    await lockInTransaction(client, "setup");
    const { rowCount } = await client.query("DELETE FROM ownership_offer WHERE user_id = $1 AND expires_at > now()", [
      userId,
    ]);
    if (rowCount === 0) throw new AppError("not_found", "Ownership is not offered to you any more.");
    const { rows } = await client.query<{ id: string; role: string }>(
      `SELECT id, role FROM "user" WHERE role = 'owner' OR id = $1 ORDER BY id FOR UPDATE`,
      [userId],
    );
    const before = rows.find(({ role }) => role === "owner")?.id;
    const roleBefore = rows.find(({ id }) => id === userId)?.role ?? "";
    // One after the other: there is never more than one.
    await client.query(`UPDATE "user" SET role = 'admin' WHERE role = 'owner'`);
    await client.query(`UPDATE "user" SET role = 'owner' WHERE id = $1`, [userId]);
    await client.query("DELETE FROM session WHERE user_id = ANY ($1)", [[userId, before].filter(Boolean)]);
    const session = visitor && (await openSession(client, { userId, visitor }));
    return {
      act: {
        action: "accept_ownership",
        targetKind: "user",
        targetId: userId,
        before: { role: roleBefore, ownerId: before ?? null },
        after: { role: "owner", ownerId: userId },
      },
      result: session,
    };
  });
}

async function requireOwner(client: Queryable, userId: string): Promise<void> {
  const { rowCount } = await client.query(`SELECT 1 FROM "user" WHERE id = $1 AND role = 'owner'`, [userId]);
  if (rowCount === 0) throw new AppError("forbidden", "Only the owner can hand the ownership over.");
}
