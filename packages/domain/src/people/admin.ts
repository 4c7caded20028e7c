/** What admins see and change of users. */
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { appendAudit, type Actor } from "../audit/audit.ts";
import { adjustBalance } from "../ledger/credit.ts";
import { usdOf } from "../ledger/money.ts";

export type UserSummary = {
  id: string;
  email: string;
  role: "owner" | "admin" | "user";
  status: "active" | "suspended";
  createdAt: Date;
  balanceUsd: string;
  heldUsd: string;
};

/** Newest first. `search` is a part of the e-mail address. */
export async function listUsers(
  db: Pick<Database, "pool">,
  { search, limit, offset }: { search: string; limit: number; offset: number },
): Promise<{ users: UserSummary[]; total: number }> {
  type Row = Omit<UserSummary, "createdAt" | "balanceUsd" | "heldUsd"> & {
    created_at: Date;
    balance: bigint;
    held: bigint;
    total: bigint;
  };
  const { rows } = await db.pool.query<Row>(
    `SELECT u.id, u.email, u.role, u.status, u.created_at, a.balance_nano_usd AS balance, a.held_nano_usd AS held,
       count(*) OVER () AS total
     FROM "user" u JOIN account a ON a.user_id = u.id AND a.kind = 'wallet'
     WHERE strpos(u.email, lower($1)) > 0 ORDER BY u.created_at DESC, u.id LIMIT $2 OFFSET $3`,
    [search, limit, offset],
  );
  const users = rows.map(({ id, email, role, status, created_at, balance, held }) => ({
    id,
    email,
    role,
    status,
    createdAt: created_at,
    balanceUsd: usdOf(balance),
    heldUsd: usdOf(held),
  }));
  return { users, total: Number(rows[0]?.total ?? 0n) };
}

/**
 * Adjusts a user's balance; `formId` names the submitted form, so that a double click counts once.
 * @throws AppError `not_found`, `balance_too_low`
 */
export async function adjustUserBalance(
  db: Database,
  input: { userId: string; amountNanoUsd: bigint; isPaid: boolean; note: string; formId: string; actor: Actor },
): Promise<{ balanceUsd: string }> {
  const { userId, amountNanoUsd, isPaid, note, formId, actor } = input;
  const wallet = await db.prisma.account.findUnique({ where: { userId_kind: { userId, kind: "wallet" } } });
  if (!wallet) throw new AppError("not_found", "The user does not exist.");
  if (amountNanoUsd === 0n) throw new AppError("invalid_input", "Enter an amount above or below zero.", "amountUsd");
  const outcome = await adjustBalance(db, {
    accountId: wallet.id,
    amountNanoUsd,
    source: "admin",
    sourceId: formId,
    isPaid,
    note,
    actorId: actor.userId,
  });
  if (outcome === "below_zero") {
    throw new AppError("balance_too_low", "The free balance does not cover what would be taken.", "amountUsd");
  }
  const after = await db.prisma.account.findUniqueOrThrow({ where: { id: wallet.id } });
  if (outcome === "credited") {
    await appendAudit(db.pool, actor, {
      action: "update_balance",
      targetKind: "user",
      targetId: userId,
      details: { amountUsd: usdOf(amountNanoUsd), note, after: usdOf(after.balanceNanoUsd) },
    });
  }
  return { balanceUsd: usdOf(after.balanceNanoUsd) };
}

/** A suspended user's sessions and keys end at once. The owner cannot be suspended. */
export async function setUserStatus(
  db: Database,
  { userId, status, actor }: { userId: string; status: "active" | "suspended"; actor: Actor },
): Promise<void> {
  const changed = await db.prisma.user.updateMany({ where: { id: userId, role: { not: "owner" } }, data: { status } });
  if (changed.count === 0) throw new AppError("not_found", "There is no such user whose status can be changed.");
  if (status === "suspended") await db.prisma.session.deleteMany({ where: { userId } });
  await appendAudit(db.pool, actor, {
    action: "update_status",
    targetKind: "user",
    targetId: userId,
    details: { after: status },
  });
}
