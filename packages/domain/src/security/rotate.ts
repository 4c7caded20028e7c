/** What lies encrypted under the secret key before this one is encrypted anew; hashes of keys follow as the keys are used. */
import type { Database } from "@codex-gateway/db";
import { recordAct } from "../audit/audit.ts";
import { sealedSettingNames } from "../settings/sealed-settings.ts";
import { decrypt, encrypt, type Secrets } from "./secrets.ts";

/**
 * Does nothing where everything is under the secret key in use already. Answers how many values were encrypted anew.
 * @throws Error where a value opens under neither key; nothing is changed then
 */
export async function reencrypt(db: Database, secrets: Secrets): Promise<number> {
  const { previous } = secrets;
  if (!previous) return 0;
  const actor = { userId: null, email: null, address: "" };
  return recordAct(db, actor, async (client) => {
    const renewed = (sealed: Uint8Array, rowId: string): Buffer | null => {
      if (opens(sealed, secrets, rowId)) return null;
      return encrypt(decrypt(sealed, previous.encryptionKey, rowId), secrets.encryptionKey, rowId);
    };
    let count = 0;
    const upstreams = await client.query<{ id: string; key_ciphertext: Buffer }>(
      "SELECT id, key_ciphertext FROM upstream FOR UPDATE",
    );
    for (const { id, key_ciphertext } of upstreams.rows) {
      const ciphertext = renewed(key_ciphertext, id);
      if (!ciphertext) continue;
      await client.query("UPDATE upstream SET key_ciphertext = $2 WHERE id = $1", [id, ciphertext]);
      count++;
    }
    const settings = await client.query<{ key: string; value: string }>(
      "SELECT key, value FROM setting WHERE key = ANY ($1) FOR UPDATE",
      [sealedSettingNames],
    );
    for (const { key, value } of settings.rows) {
      const ciphertext = renewed(Buffer.from(value, "base64"), key);
      if (!ciphertext) continue;
      const text = JSON.stringify(ciphertext.toString("base64"));
      await client.query("UPDATE setting SET value = $2, updated_at = now() WHERE key = $1", [key, text]);
      count++;
    }
    if (count === 0) return { act: null, result: 0 };
    return {
      act: {
        action: "rotate_secret_key",
        targetKind: "system",
        targetId: null,
        before: previous.id,
        after: secrets.id,
        details: { values: count },
      },
      result: count,
    };
  });
}

function opens(sealed: Uint8Array, { encryptionKey }: Secrets, rowId: string): boolean {
  try {
    decrypt(sealed, encryptionKey, rowId);
    return true;
  } catch {
    return false;
  }
}

/**
 * What has not been used since the secret key was replaced, and keys that have two secrets: without the secret key before
 * it, they stop working.
 */
export async function countOnPreviousSecret({
  pool,
}: Pick<Database, "pool">): Promise<{ keys: number; codes: number } | null> {
  const { rows } = await pool.query<{ keys: number; codes: number }>(
    `SELECT (SELECT count(*)::int FROM api_key k WHERE k.status <> 'deleted' AND k.created_at < r.created_at
         AND (coalesce(k.last_used_at, k.created_at) < r.created_at OR k.previous_secret_expires > now())) AS keys,
       (SELECT count(*)::int FROM redeem_code c JOIN redeem_batch b ON b.id = c.batch_id
         WHERE c.redeemed_at IS NULL AND b.created_at < r.created_at) AS codes
     FROM audit_log r WHERE r.action = 'rotate_secret_key' ORDER BY r.id DESC LIMIT 1`,
  );
  return rows[0] ?? null;
}
