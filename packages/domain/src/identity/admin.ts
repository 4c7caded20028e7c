/** What admins see and change of users. */
import type { Database, Queryable } from "@codex-gateway/db";
import { adjust, lockBalance, usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import type { Role } from "./roles.ts";
import { searchOf } from "./user-search.ts";

export type UserSummary = {
  id: string;
  email: string;
  role: Role;
  status: "active" | "suspended";
  createdAt: Date;
  /** What is personal is gone since then; null: nobody has deleted the user. */
  deletedAt: Date | null;
  balanceUsd: string;
  heldUsd: string;
};

type UserRow = Omit<UserSummary, "createdAt" | "deletedAt" | "balanceUsd" | "heldUsd"> & {
  created_at: Date;
  deleted_at: Date | null;
  balance: bigint;
  held: bigint;
};

const summaryOf = ({ id, email, role, status, created_at, deleted_at, balance, held }: UserRow): UserSummary => ({
  id,
  email,
  role,
  status,
  createdAt: created_at,
  deletedAt: deleted_at,
  balanceUsd: usdOf(balance),
  heldUsd: usdOf(held),
});

/** `deleted`: those whose rows alone are left, who are shown nowhere else. */
export type ListedStatus = UserSummary["status"] | "deleted";

/** Newest first. `search` as `searchOf` reads it. */
export async function listUsers(
  db: Pick<Database, "pool">,
  input: { search: string; status: ListedStatus | null; limit: number; offset: number },
): Promise<{ users: UserSummary[]; total: number }> {
  const { search, status, limit, offset } = input;
  const { condition, value } = searchOf(search);
  const where = `${condition} AND CASE WHEN $2::text = 'deleted' THEN u.deleted_at IS NOT NULL
    ELSE u.deleted_at IS NULL AND ($2::text IS NULL OR u.status = $2::user_status) END`;
  const [page, counted] = await Promise.all([
    db.pool.query<UserRow>(
      `SELECT u.id, u.email, u.role, u.status, u.created_at, u.deleted_at, a.balance_nano_usd AS balance, a.held_nano_usd AS held
       FROM "user" u JOIN account a ON a.user_id = u.id AND a.kind = 'wallet'
       WHERE ${where} ORDER BY u.created_at DESC, u.id LIMIT $3 OFFSET $4`,
      [value, status, limit, offset],
    ),
    db.pool.query<{ total: bigint }>(`SELECT count(*) AS total FROM "user" u WHERE ${where}`, [value, status]),
  ]);
  return { users: page.rows.map(summaryOf), total: Number(counted.rows[0]?.total ?? 0n) };
}

type UserLimits = {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  concurrentRequests: number | null;
};

export type UserDetails = UserSummary &
  UserLimits & {
    debtUsd: string;
    keyCount: number;
    spentUsd: string;
    tokens: number;
    requests: number;
    sessionCount: number;
    /** None was chosen yet: the user has not opened the link that they were given. */
    hasPassword: boolean;
    hasTwoFactors: boolean;
  };

/** @throws AppError `not_found` */
export async function readUser(db: Pick<Database, "pool">, userId: string): Promise<UserDetails> {
  type Row = UserRow & {
    requests_per_minute: number | null;
    tokens_per_minute: number | null;
    concurrent_requests: number | null;
    debt: bigint;
    keys: number;
    spent: bigint;
    tokens: bigint;
    requests: bigint;
    sessions: number;
    has_password: boolean;
    has_two_factors: boolean;
  };
  const { rows } = await db.pool.query<Row>(
    `SELECT u.id, u.email, u.role, u.status, u.created_at, u.deleted_at, u.requests_per_minute, u.tokens_per_minute,
       u.concurrent_requests, a.balance_nano_usd AS balance, a.held_nano_usd AS held,
       coalesce((SELECT d.balance_nano_usd FROM account d WHERE d.user_id = u.id AND d.kind = 'receivable'), 0) AS debt,
       (SELECT count(*)::int FROM api_key k WHERE k.user_id = u.id AND k.status <> 'deleted') AS keys,
       (SELECT count(*)::int FROM session s WHERE s.user_id = u.id AND s.expires_at > now()) AS sessions,
       u.password_hash IS NOT NULL AS has_password,
       EXISTS (SELECT 1 FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL) AS has_two_factors,
       used.spent, used.tokens, used.requests
     FROM "user" u JOIN account a ON a.user_id = u.id AND a.kind = 'wallet' CROSS JOIN LATERAL (
       SELECT coalesce(sum(r.cost_nano_usd), 0)::bigint AS spent,
         coalesce(sum(r.input_tokens + r.output_tokens), 0)::bigint AS tokens, coalesce(sum(r.requests), 0)::bigint AS requests
       FROM usage_rollup r WHERE r.account_id = a.id) used
     WHERE u.id = $1`,
    [userId],
  );
  const row = rows[0];
  if (!row) throw new AppError("not_found", "The user does not exist.");
  return {
    ...summaryOf(row),
    requestsPerMinute: row.requests_per_minute,
    tokensPerMinute: row.tokens_per_minute,
    concurrentRequests: row.concurrent_requests,
    debtUsd: usdOf(row.debt),
    keyCount: row.keys,
    spentUsd: usdOf(row.spent),
    tokens: Number(row.tokens),
    requests: Number(row.requests),
    sessionCount: row.sessions,
    hasPassword: row.has_password,
    hasTwoFactors: row.has_two_factors,
  };
}

type LockedUser = {
  deleted_at: Date | null;
  role: UserSummary["role"];
  status: UserSummary["status"];
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent_requests: number | null;
};

/** The user as an act finds them; nobody else changes them until it is over. @throws AppError `not_found` */
async function lockUser(client: Queryable, userId: string): Promise<LockedUser> {
  const { rows } = await client.query<LockedUser>(
    `SELECT role, status, deleted_at, requests_per_minute, tokens_per_minute, concurrent_requests FROM "user" WHERE id = $1
     FOR NO KEY UPDATE`,
    [userId],
  );
  if (!rows[0]) throw new AppError("not_found", "The user does not exist.");
  return rows[0];
}

/** Null: the default of the settings. @throws AppError `not_found` */
export async function setUserLimits(
  db: Database,
  { userId, limits, actor }: { userId: string; limits: UserLimits; actor: Actor },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const user = await lockUser(client, userId);
    await client.query(
      `UPDATE "user" SET requests_per_minute = $2, tokens_per_minute = $3, concurrent_requests = $4 WHERE id = $1`,
      [userId, limits.requestsPerMinute, limits.tokensPerMinute, limits.concurrentRequests],
    );
    const before: UserLimits = {
      requestsPerMinute: user.requests_per_minute,
      tokensPerMinute: user.tokens_per_minute,
      concurrentRequests: user.concurrent_requests,
    };
    return {
      act: { action: "update_limits", targetKind: "user", targetId: userId, before, after: limits },
      result: undefined,
    };
  });
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
  return recordAct(db, actor, async (client) => {
    const before = usdOf(await lockBalance(client, wallet.id));
    const outcome = await adjust(client, {
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
    if (outcome === "already_credited") return { act: null, result: { balanceUsd: before } };
    const after = usdOf(await lockBalance(client, wallet.id));
    const details = { amountUsd: usdOf(amountNanoUsd), isPaid, note };
    return {
      act: { action: "update_balance", targetKind: "user", targetId: userId, before, after, details },
      result: { balanceUsd: after },
    };
  });
}

/** A suspended user's sessions and keys end at once. The owner cannot be suspended. */
export async function setUserStatus(
  db: Database,
  { userId, status, actor }: { userId: string; status: "active" | "suspended"; actor: Actor },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const user = await lockUser(client, userId);
    if (user.role === "owner" || user.deleted_at || actor.userId === userId) {
      throw new AppError("not_found", "There is no such user whose status can be changed.");
    }
    if (user.status === status) return { act: null, result: undefined };
    await client.query('UPDATE "user" SET status = $2::user_status WHERE id = $1', [userId, status]);
    if (status === "suspended") await client.query("DELETE FROM session WHERE user_id = $1", [userId]);
    return {
      act: { action: "update_status", targetKind: "user", targetId: userId, before: user.status, after: status },
      result: undefined,
    };
  });
}
