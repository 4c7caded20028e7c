/** The database knows which secret key its hashes and ciphertexts were made under, so that another one is seen at once. */
import type { Database } from "@codex-gateway/db";

const name = "secretKeyId";

/** Null: no gateway has run on this database yet. */
export async function readSecretKeyId({ pool }: Pick<Database, "pool">): Promise<string | null> {
  const { rows } = await pool.query<{ value: string }>("SELECT value FROM setting WHERE key = $1", [name]);
  return rows[0]?.value ?? null;
}

export async function writeSecretKeyId({ pool }: Pick<Database, "pool">, id: string): Promise<void> {
  await pool.query(
    `INSERT INTO setting (key, value) VALUES ($1, $2)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now() WHERE setting.value <> excluded.value`,
    [name, JSON.stringify(id)],
  );
}
