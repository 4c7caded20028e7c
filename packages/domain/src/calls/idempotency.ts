/** Calls that their clients named: each name stands for one call of an API key, for a day. */
import type { Database } from "@codex-gateway/db";

export type CallName = { apiKeyId: string; key: string; holdId: string };

export type IdempotencyClaim =
  | { outcome: "claimed" | "running" | "other_body" }
  /** Charged, and its answer is not kept: its process died, it was streamed, or it was too large. */
  | { outcome: "spent"; holdId: string; why: "died" | "streamed" | "not_kept" }
  | { outcome: "answered"; holdId: string; status: number; contentType: string; body: Uint8Array };

const keptForMs = 24 * 60 * 60_000;

type Reader = Pick<Database, "pool">;

/** Takes the name for the call, or says what became of the one that had it; of two at once, one gets it. */
export async function claimIdempotency(
  { pool }: Reader,
  { apiKeyId, key, bodyDigest, holdId }: CallName & { bodyDigest: Uint8Array },
  now = new Date(),
): Promise<IdempotencyClaim> {
  type Row = {
    outcome: IdempotencyClaim["outcome"];
    earlier_hold: string;
    earlier_status: number;
    earlier_content_type: string;
    earlier_answer: Buffer;
  };
  const { rows } = await pool.query<Row>("SELECT * FROM claim_idempotency($1, $2, $3, $4, $5)", [
    apiKeyId,
    key,
    bodyDigest,
    holdId,
    new Date(now.getTime() + keptForMs),
  ]);
  const row = rows[0];
  if (!row) throw new Error("A claim without an answer.");
  if (row.outcome === "spent") return findSpent({ pool }, row.earlier_hold);
  if (row.outcome !== "answered") return { outcome: row.outcome };
  return {
    outcome: row.outcome,
    holdId: row.earlier_hold,
    status: row.earlier_status,
    contentType: row.earlier_content_type,
    body: row.earlier_answer,
  };
}

async function findSpent({ pool }: Reader, holdId: string): Promise<IdempotencyClaim> {
  const { rows } = await pool.query<{ basis: string; is_stream: boolean }>(
    "SELECT basis::text, is_stream FROM charge WHERE hold_id = $1",
    [holdId],
  );
  const charge = rows[0];
  const why = charge?.basis === "orphan" ? "died" : charge?.is_stream ? "streamed" : "not_kept";
  return { outcome: "spent", holdId, why };
}

/** Keeps the answer, for as long as the call still has its name. */
export async function keepAnswer(
  { pool }: Reader,
  {
    apiKeyId,
    key,
    holdId,
    status,
    contentType,
    body,
  }: CallName & { status: number; contentType: string; body: Uint8Array },
): Promise<void> {
  await pool.query(
    `UPDATE idempotency SET status = $4, content_type = $5, answer = $6 WHERE api_key_id = $1 AND key = $2 AND hold_id = $3`,
    [apiKeyId, key, holdId, status, contentType, body],
  );
}

/** Frees the name of a call for which nothing was held. */
export async function giveUpIdempotency({ pool }: Reader, { apiKeyId, key, holdId }: CallName): Promise<void> {
  await pool.query("DELETE FROM idempotency WHERE api_key_id = $1 AND key = $2 AND hold_id = $3", [
    apiKeyId,
    key,
    holdId,
  ]);
}

/** Forgets what has expired, with the answers; a call that is still under way keeps its name. Answers how many. */
export async function forgetExpiredAnswers({ pool }: Reader): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM idempotency i WHERE i.expires_at < now()
       AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.id = i.hold_id AND h.state = 'open')`,
  );
  return rowCount ?? 0;
}
