/** Settings that are secrets: encrypted at rest, never shown again. The setting's name is authenticated with its value. */
import type { Queryable } from "@codex-gateway/db";
import { decrypt, encrypt, type Secrets } from "../security/secrets.ts";

/** `alertWebhookSecret` signs webhooks; `smtpUrl` holds the password of the mail server. */
export const sealedSettingNames = ["alertWebhookSecret", "smtpUrl"] as const;
export type SealedSettingName = (typeof sealedSettingNames)[number];
export type SealedSettings = Record<SealedSettingName, string | null>;

export async function readSealedSettings({ pool }: { pool: Queryable }, secrets: Secrets): Promise<SealedSettings> {
  const { rows } = await pool.query<{ key: SealedSettingName; value: string }>(
    "SELECT key, value FROM setting WHERE key = ANY ($1)",
    [sealedSettingNames],
  );
  const opened: SealedSettings = { alertWebhookSecret: null, smtpUrl: null };
  for (const { key, value } of rows) opened[key] = decrypt(Buffer.from(value, "base64"), secrets.encryptionKey, key);
  return opened;
}

/** Null takes the setting away. */
export async function writeSealedSetting(
  client: Queryable,
  secrets: Secrets,
  name: SealedSettingName,
  value: string | null,
): Promise<void> {
  if (value === null) {
    await client.query("DELETE FROM setting WHERE key = $1", [name]);
    return;
  }
  const sealed = encrypt(value, secrets.encryptionKey, name).toString("base64");
  await client.query(
    `INSERT INTO setting (key, value) VALUES ($1, $2)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()`,
    [name, JSON.stringify(sealed)],
  );
}
