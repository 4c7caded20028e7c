/**
 * Invitations: a link that makes users of whoever opens it, so many and until then, each with this role and balance. The
 * link is shown once; each use is counted in the transaction that makes its user, so that none is used twice.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { networkOf } from "../security/client-network.ts";
import type { Credentials } from "./credentials.ts";
import { createLinkToken, hashLinkToken } from "./link-tokens.ts";
import { hashNewPassword, insertUser } from "./registration.ts";
import type { GrantableRole } from "./roles.ts";
import { openSession, type OpenedSession, type Visitor } from "./sessions.ts";
import type { Throttles } from "./throttles.ts";

export type NewInvite = {
  role: GrantableRole;
  creditNanoUsd: bigint;
  /** Null: whoever has the link. */
  email: string | null;
  note: string;
  maxUses: number;
  /** Null: until it is used up or withdrawn. */
  expiresAt: Date | null;
};

export type InviteSummary = {
  id: string;
  role: GrantableRole;
  creditUsd: string;
  email: string | null;
  note: string;
  maxUses: number;
  uses: number;
  expiresAt: Date | null;
  createdAt: Date;
  createdByEmail: string;
  state: "open" | "used" | "expired" | "withdrawn";
};

/** The token is answered here and never again. */
export async function createInvite(
  db: Database,
  { actor, ...invite }: NewInvite & { actor: Actor & { userId: string } },
): Promise<{ id: string; token: string }> {
  const id = randomUUID();
  const { token, hash } = createLinkToken();
  const { role, creditNanoUsd, email, note, maxUses, expiresAt } = invite;
  return recordAct(db, actor, async (client) => {
    await client.query(
      `INSERT INTO invite (id, token_hash, role, credit_nano_usd, email, note, max_uses, expires_at, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [id, hash, role, String(creditNanoUsd), email, note, maxUses, expiresAt, actor.userId],
    );
    const after = {
      role,
      creditUsd: usdOf(creditNanoUsd),
      email,
      note,
      maxUses,
      expiresAt: expiresAt?.toISOString() ?? null,
    };
    return {
      act: { action: "create_invite", targetKind: "invite", targetId: id, before: null, after },
      result: { id, token },
    };
  });
}

/** The newest first. */
export async function listInvites(
  { pool }: Pick<Database, "pool">,
  { limit, offset }: { limit: number; offset: number },
): Promise<{ invites: InviteSummary[]; total: number }> {
  type Row = {
    id: string;
    role: GrantableRole;
    credit: bigint;
    email: string | null;
    note: string;
    max_uses: number;
    uses: number;
    expires_at: Date | null;
    revoked_at: Date | null;
    created_at: Date;
    creator: string;
    total: bigint;
  };
  const { rows } = await pool.query<Row>(
    `SELECT i.id, i.role, i.credit_nano_usd AS credit, i.email, i.note, i.max_uses, i.uses, i.expires_at, i.revoked_at,
       i.created_at, u.email AS creator, count(*) OVER () AS total
     FROM invite i JOIN "user" u ON u.id = i.created_by ORDER BY i.created_at DESC, i.id LIMIT $1 OFFSET $2`,
    [limit, offset],
  );
  const invites = rows.map((row) => ({
    id: row.id,
    role: row.role,
    creditUsd: usdOf(row.credit),
    email: row.email,
    note: row.note,
    maxUses: row.max_uses,
    uses: row.uses,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    createdByEmail: row.creator,
    state: stateOf(row),
  }));
  return { invites, total: Number(rows[0]?.total ?? 0n) };
}

type Used = { revoked_at: Date | null; uses: number; max_uses: number; expires_at: Date | null };

function stateOf(row: Used): InviteSummary["state"] {
  if (row.uses >= row.max_uses) return "used";
  if (row.revoked_at) return "withdrawn";
  return row.expires_at && row.expires_at <= new Date() ? "expired" : "open";
}

/** Whom it has made stays. What is withdrawn already stays so. @throws AppError `not_found` */
export async function withdrawInvite(
  db: Database,
  { inviteId, actor }: { inviteId: string; actor: Actor },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const { rows } = await client.query<{ uses: number; max_uses: number; revoked_at: Date | null }>(
      "SELECT uses, max_uses, revoked_at FROM invite WHERE id = $1 FOR UPDATE",
      [inviteId],
    );
    const [invite] = rows;
    if (!invite) throw new AppError("not_found", "The invitation does not exist.");
    if (invite.revoked_at) return { act: null, result: undefined };
    await client.query("UPDATE invite SET revoked_at = now() WHERE id = $1", [inviteId]);
    const before = { uses: invite.uses, maxUses: invite.max_uses };
    return {
      act: { action: "withdraw_invite", targetKind: "invite", targetId: inviteId, before, after: null },
      result: undefined,
    };
  });
}

/** Whose links still hold: who made them may still make users. */
const holds = `i.revoked_at IS NULL AND i.uses < i.max_uses AND (i.expires_at IS NULL OR i.expires_at > now())
  AND EXISTS (SELECT 1 FROM "user" c WHERE c.id = i.created_by AND c.role IN ('owner', 'admin')
    AND c.status = 'active' AND c.deleted_at IS NULL)`;

export type OpenInvite = { role: GrantableRole; creditUsd: string; email: string | null; expiresAt: Date | null };

/** Null where it is used up, withdrawn, too old, or none at all. */
export async function readInvite({ pool }: Pick<Database, "pool">, token: string): Promise<OpenInvite | null> {
  type Row = { role: GrantableRole; credit: bigint; email: string | null; expires_at: Date | null };
  const { rows } = await pool.query<Row>(
    `SELECT i.role, i.credit_nano_usd AS credit, i.email, i.expires_at FROM invite i WHERE i.token_hash = $1 AND ${holds}`,
    [hashLinkToken(token)],
  );
  const [row] = rows;
  return row ? { role: row.role, creditUsd: usdOf(row.credit), email: row.email, expiresAt: row.expires_at } : null;
}

const noSuchInvite = () => new AppError("invalid_input", "This invitation was used, withdrawn or has expired.");

/**
 * Makes the user and opens their first session, however many use the link at once.
 * @throws AppError `invalid_input` where the link does not hold or is for another address, `conflict` where the address is
 *   taken, `too_many_attempts`, `busy`
 */
export async function acceptInvite(
  db: Database,
  throttles: Throttles,
  { token, email, password }: Credentials & { token: string },
  visitor: Visitor,
): Promise<OpenedSession> {
  const found = await readInvite(db, token);
  if (!found) throw noSuchInvite();
  if (found.email !== null && found.email !== email) {
    throw new AppError("invalid_input", "This invitation is for another e-mail address.", "email");
  }
  const { address } = visitor;
  const passwordHash = await hashNewPassword(throttles, { email, password, network: networkOf(address).network });
  const userId = randomUUID();
  return recordAct(db, { userId, email, address }, async (client) => {
    const taken = await client.query<{ id: string; role: GrantableRole; credit: bigint }>(
      `UPDATE invite i SET uses = i.uses + 1 WHERE i.token_hash = $1 AND ${holds}
       RETURNING i.id, i.role, i.credit_nano_usd AS credit`,
      [hashLinkToken(token)],
    );
    const [invite] = taken.rows;
    if (!invite) throw noSuchInvite();
    await insertUser(client, { id: userId, email, passwordHash, role: invite.role, balanceNanoUsd: invite.credit });
    await client.query("INSERT INTO invite_use (invite_id, user_id) VALUES ($1, $2)", [invite.id, userId]);
    const session = await openSession(client, { userId, visitor });
    const after = { email, role: invite.role, balanceUsd: usdOf(invite.credit) };
    const details = { inviteId: invite.id };
    return {
      act: { action: "accept_invite", targetKind: "user", targetId: userId, before: null, after, details },
      result: session,
    };
  });
}
