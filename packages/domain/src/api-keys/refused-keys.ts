/** Which of the keys that are in use may not be used any more. */
import type { Database } from "@codex-gateway/db";

type RefusedKey = { apiKeyId: string; refused: "key_disabled" | "user_suspended" };

/** A key that is gone counts as disabled. */
export async function findRefusedKeys({ pool }: Pick<Database, "pool">, apiKeyIds: string[]): Promise<RefusedKey[]> {
  const { rows } = await pool.query<{ id: string; is_suspended: boolean }>(
    `SELECT asked.id::text, u.status IS DISTINCT FROM 'active' AND k.id IS NOT NULL AS is_suspended
     FROM unnest($1::uuid[]) AS asked(id)
     LEFT JOIN api_key k ON k.id = asked.id
     LEFT JOIN "user" u ON u.id = k.user_id
     WHERE k.status IS DISTINCT FROM 'active' OR u.status IS DISTINCT FROM 'active'`,
    [apiKeyIds],
  );
  return rows.map(({ id, is_suspended }) => ({
    apiKeyId: id,
    refused: is_suspended ? "user_suspended" : "key_disabled",
  }));
}
