/** What admins see and change of users. */
import type { Database, Queryable } from "@codex-gateway/db";
import { adjust, lockBalance, usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";

export type UserSummary = {
  id: string;
  email: string;
  role: "owner" | "admin" | "user";
  status: "active" | "suspended";
  createdAt: Date;
  balanceUsd: string;
  heldUsd: string;
};

type UserRow = Omit<UserSummary, "createdAt" | "balanceUsd" | "heldUsd"> & {
  created_at: Date;
  balance: bigint;
  held: bigint;
};

const summaryOf = ({ id, email, role, status, created_at, balance, held }: UserRow): UserSummary => ({
  id,
  email,
  role,
  status,
  createdAt: created_at,
  balanceUsd: usdOf(balance),
  heldUsd: usdOf(held),
});

/** Newest first. `search` is a part of the e-mail address. */
export async function listUsers(
  db: Pick<Database, "pool">,
  input: { search: string; status: UserSummary["status"] | null; limit: number; offset: number },
): Promise<{ users: UserSummary[]; total: number }> {
  const { search, status, limit, offset } = input;
  const where = `($1 = '' OR strpos(u.email, lower($1)) > 0) AND ($2::user_status IS NULL OR u.status = $2)`;
  const [page, counted] = await Promise.all([
    db.pool.query<UserRow>(
      `SELECT u.id, u.email, u.role, u.status, u.created_at, a.balance_nano_usd AS balance, a.held_nano_usd AS held
       FROM "user" u JOIN account a ON a.user_id = u.id AND a.kind = 'wallet'
       WHERE ${where} ORDER BY u.created_at DESC, u.id LIMIT $3 OFFSET $4`,
      [search, status, limit, offset],
    ),
    db.pool.query<{ total: bigint }>(`SELECT count(*) AS total FROM "user" u WHERE ${where}`, [search, status]),
  ]);
  return { users: page.rows.map(summaryOf), total: Number(counted.rows[0]?.total ?? 0n) };
}

type UserLimits = {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  concurrentRequests: number | null;
};

export type UserDetails = UserSummary &
  UserLimits & { debtUsd: string; keyCount: number; spentUsd: string; tokens: number; requests: number };

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
  };
  const { rows } = await db.pool.query<Row>(
    `SELECT u.id, u.email, u.role, u.status, u.created_at, u.requests_per_minute, u.tokens_per_minute,
       u.concurrent_requests, a.balance_nano_usd AS balance, a.held_nano_usd AS held,
       coalesce((SELECT d.balance_nano_usd FROM account d WHERE d.user_id = u.id AND d.kind = 'receivable'), 0) AS debt,
       (SELECT count(*)::int FROM api_key k WHERE k.user_id = u.id AND k.status <> 'deleted') AS keys,
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
  };
}

type LockedUser = {
  role: UserSummary["role"];
  status: UserSummary["status"];
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent_requests: number | null;
};

/** The user as an act finds them; nobody else changes them until it is over. @throws AppError `not_found` */
async function lockUser(client: Queryable, userId: string): Promise<LockedUser> {
  const { rows } = await client.query<LockedUser>(
    `SELECT role, status, requests_per_minute, tokens_per_minute, concurrent_requests FROM "user" WHERE id = $1
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
    if (user.role === "owner") throw new AppError("not_found", "There is no such user whose status can be changed.");
    if (user.status === status) return { act: null, result: undefined };
    await client.query('UPDATE "user" SET status = $2::user_status WHERE id = $1', [userId, status]);
    if (status === "suspended") await client.query("DELETE FROM session WHERE user_id = $1", [userId]);
    return {
      act: { action: "update_status", targetKind: "user", targetId: userId, before: user.status, after: status },
      result: undefined,
    };
  });
}
