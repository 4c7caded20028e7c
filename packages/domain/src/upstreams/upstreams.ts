/** Where calls go: base URL and key, encrypted at rest and never shown again but for its last four characters. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { decrypt, encrypt, type Secrets } from "../access/secrets.ts";
import { readSettings } from "../settings/settings.ts";

export type OpenUpstream = {
  id: string;
  baseUrl: string;
  apiKey: string;
  organization: string | null;
  project: string | null;
  weight: number;
};

export type UpstreamSummary = { id: string; name: string; baseUrl: string; keyLastFour: string; isEnabled: boolean };

type Queryable = { query: Database["pool"]["query"] };

/** Sets the first upstream's address, and its key where one is given. */
export async function saveUpstream(
  client: Queryable,
  secrets: Secrets,
  { baseUrl, apiKey }: { baseUrl: string; apiKey: string | null },
): Promise<string> {
  const { allowsPrivateUpstreams } = await readSettings({ pool: client });
  const address = checkedBaseUrl(baseUrl, allowsPrivateUpstreams);
  const { rows } = await client.query<{ id: string }>("SELECT id FROM upstream ORDER BY created_at LIMIT 1 FOR UPDATE");
  const id = rows[0]?.id ?? randomUUID();
  if (rows[0]) await client.query("UPDATE upstream SET base_url = $2, updated_at = now() WHERE id = $1", [id, address]);
  if (apiKey !== null) {
    await client.query(
      `INSERT INTO upstream (id, name, base_url, key_ciphertext, key_last_four) VALUES ($1, 'OpenAI', $2, $3, $4)
       ON CONFLICT (id) DO UPDATE SET key_ciphertext = excluded.key_ciphertext, key_last_four = excluded.key_last_four`,
      [id, address, encrypt(apiKey, secrets.encryptionKey, id), apiKey.slice(-4)],
    );
  } else if (!rows[0]) throw new AppError("invalid_input", "Enter the key of the upstream.", "apiKey");
  return id;
}

/** Loopback, private and link-local names and numbers. */
const privateHost =
  /^(localhost|.*\.(local|internal|localhost)|127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|0\.|\[(::1|f[cd]|fe80|::ffff:))/i;

/** The address without its last slash. @throws AppError `invalid_input` where it is no https URL, or a private one */
export function checkedBaseUrl(text: string, isPrivateAllowed: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new AppError("invalid_input", "Enter an address such as https://api.openai.com/v1.", "baseUrl");
  }
  if (!isPrivateAllowed && (url.protocol !== "https:" || privateHost.test(url.hostname))) {
    throw new AppError(
      "invalid_input",
      "The address must be public and start with https; a setting allows private ones.",
      "baseUrl",
    );
  }
  return url.href.replace(/\/+$/, "");
}

/** The enabled upstreams with their keys in clear, for the gateway's memory only. */
export async function openUpstreams(db: Pick<Database, "prisma">, secrets: Secrets): Promise<OpenUpstream[]> {
  const rows = await db.prisma.upstream.findMany({ where: { enabled: true }, orderBy: { createdAt: "asc" } });
  return rows.map((row) => ({
    id: row.id,
    baseUrl: row.baseUrl,
    apiKey: decrypt(row.keyCiphertext, secrets.encryptionKey, row.id),
    organization: row.organization,
    project: row.project,
    weight: row.weight,
  }));
}

export async function listUpstreams(db: Pick<Database, "prisma">): Promise<UpstreamSummary[]> {
  const rows = await db.prisma.upstream.findMany({ orderBy: { createdAt: "asc" } });
  return rows.map(({ id, name, baseUrl, keyLastFour, enabled }) => ({
    id,
    name,
    baseUrl,
    keyLastFour,
    isEnabled: enabled,
  }));
}
