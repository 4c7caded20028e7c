/** The audit log as admins read it, and the proof that nothing of it was changed. */
import type { Database } from "@codex-gateway/db";

export type AuditLine = {
  id: string;
  createdAt: Date;
  actorEmail: string | null;
  action: string;
  targetKind: string;
  targetId: string | null;
  /** The e-mail address of a target that is a user. */
  targetEmail: string | null;
  address: string;
  details: Record<string, unknown>;
};

/** Newest first. `search` is a part of the actor's or the target's e-mail address. */
export async function listAudit(
  { pool }: Pick<Database, "pool">,
  { action, search, limit, offset }: { action: string | null; search: string; limit: number; offset: number },
): Promise<{ lines: AuditLine[]; total: number }> {
  type Row = {
    id: bigint;
    created_at: Date;
    actor_email: string | null;
    action: string;
    target_kind: string;
    target_id: string | null;
    target_email: string | null;
    address: string;
    details: Record<string, unknown>;
  };
  const where = `($1::text IS NULL OR l.action = $1) AND ($2 = '' OR strpos(coalesce(l.actor_email, ''), lower($2)) > 0
    OR l.target_id IN (SELECT id::text FROM "user" WHERE strpos(email, lower($2)) > 0))`;
  const { rows } = await pool.query<Row>(
    `SELECT l.id, l.created_at, l.action,
       coalesce((SELECT a.email FROM "user" a WHERE a.id = l.actor_id AND a.deleted_at IS NOT NULL), l.actor_email) AS actor_email, l.target_kind, l.target_id, l.address, l.details,
       (SELECT u.email FROM "user" u WHERE u.id = CASE l.target_kind WHEN 'user' THEN l.target_id::uuid END) AS target_email
     FROM audit_log l WHERE ${where} ORDER BY l.id DESC LIMIT $3 OFFSET $4`,
    [action, search, limit, offset],
  );
  const counted = await pool.query<{ total: bigint }>(`SELECT count(*) AS total FROM audit_log l WHERE ${where}`, [
    action,
    search,
  ]);
  return {
    lines: rows.map((row) => ({
      id: String(row.id),
      createdAt: row.created_at,
      actorEmail: row.actor_email,
      action: row.action,
      targetKind: row.target_kind,
      targetId: row.target_id,
      targetEmail: row.target_email,
      address: row.address,
      details: row.details,
    })),
    total: Number(counted.rows[0]?.total ?? 0n),
  };
}

export async function listAuditActions({ pool }: Pick<Database, "pool">): Promise<string[]> {
  // From one action to the next by the index: there are few actions and many lines.
  const { rows } = await pool.query<{ action: string }>(
    `WITH RECURSIVE known AS (
       SELECT min(action) AS action FROM audit_log
       UNION ALL SELECT (SELECT min(l.action) FROM audit_log l WHERE l.action > known.action) FROM known WHERE action IS NOT NULL)
     SELECT action FROM known WHERE action IS NOT NULL ORDER BY action`,
  );
  return rows.map(({ action }) => action);
}
