/** Where calls go: base URL and key, encrypted at rest and never shown again but for its last four characters. */
import { randomUUID } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, recordEvent, type Actor } from "../audit/audit.ts";
import { requireAllowedAddress } from "../security/outbound-address.ts";
import { decrypt, encrypt, type Secrets } from "../security/secrets.ts";
import { readSettings } from "../settings/settings.ts";

export type OpenUpstream = {
  id: string;
  baseUrl: string;
  apiKey: string;
  organization: string | null;
  project: string | null;
  weight: number;
  addsMembers: boolean;
  projectTier: ProjectTier | null;
};

/** The tier that an upstream's project serves requests in which name none, where it is not the plain one. */
export const projectTiers = ["flex", "priority"] as const;
type ProjectTier = (typeof projectTiers)[number];

export type UpstreamSummary = {
  id: string;
  name: string;
  baseUrl: string;
  keyLastFour: string;
  isEnabled: boolean;
  weight: number;
  addsMembers: boolean;
  projectTier: ProjectTier | null;
};

/** Sets the first upstream's address, and its key where one is given. */
export async function saveUpstream(
  client: Queryable,
  secrets: Secrets,
  { baseUrl, apiKey }: { baseUrl: string; apiKey: string | null },
): Promise<string> {
  const { allowsPrivateUpstreams } = await readSettings({ pool: client });
  const address = checkedBaseUrl(baseUrl, allowsPrivateUpstreams);
  const first = await readFirstUpstream(client);
  requireKeyOfFirst(first, apiKey);
  const id = first?.id ?? randomUUID();
  if (first && apiKey === null) requireSameOrigin(first.baseUrl, address);
  if (first) await client.query("UPDATE upstream SET base_url = $2, updated_at = now() WHERE id = $1", [id, address]);
  if (apiKey !== null) {
    await client.query(
      `INSERT INTO upstream (id, name, base_url, key_ciphertext, key_last_four) VALUES ($1, 'OpenAI', $2, $3, $4)
       ON CONFLICT (id) DO UPDATE SET key_ciphertext = excluded.key_ciphertext, key_last_four = excluded.key_last_four`,
      [id, address, encrypt(apiKey, secrets.encryptionKey, id), apiKey.slice(-4)],
    );
  }
  return id;
}

/**
 * A stored key goes to the server that it was typed for and to no other one: whoever may change the address could read
 * it there. Scheme, host and port make the server; a path on it may change.
 * @throws AppError `invalid_input` at `apiKey`
 */
function requireSameOrigin(before: string, after: string): void {
  if (new URL(before).origin === new URL(after).origin) return;
  throw new AppError("invalid_input", "Enter the key anew: the address leads to another server.", "apiKey");
}

type FirstUpstream = { id: string; baseUrl: string; keyLastFour: string };

/** Null where there is none; locked until the transaction ends. */
export async function readFirstUpstream(client: Queryable): Promise<FirstUpstream | null> {
  const { rows } = await client.query<FirstUpstream>(
    `SELECT id, base_url AS "baseUrl", key_last_four AS "keyLastFour" FROM upstream
     ORDER BY created_at LIMIT 1 FOR UPDATE`,
  );
  return rows[0] ?? null;
}

/** @throws AppError `invalid_input` where there would be an upstream without a key */
export function requireKeyOfFirst(first: FirstUpstream | null, apiKey: string | null): void {
  if (!first && apiKey === null) throw new AppError("invalid_input", "Enter the key of the upstream.", "apiKey");
}

/** The address without its last slash. @throws AppError `invalid_input` where it is no https URL, or a private one */
export function checkedBaseUrl(text: string, isPrivateAllowed: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new AppError("invalid_input", "Enter an address such as https://api.openai.com/v1.", "baseUrl");
  }
  requireAllowedAddress(url, { isPrivateAllowed, field: "baseUrl" });
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
    addsMembers: row.addsMembers,
    projectTier: row.projectTier as ProjectTier | null,
  }));
}

export async function listUpstreams(db: Pick<Database, "prisma">): Promise<UpstreamSummary[]> {
  const rows = await db.prisma.upstream.findMany({ orderBy: { createdAt: "asc" } });
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    baseUrl: row.baseUrl,
    keyLastFour: row.keyLastFour,
    isEnabled: row.enabled,
    weight: row.weight,
    addsMembers: row.addsMembers,
    projectTier: row.projectTier as ProjectTier | null,
  }));
}

type UpstreamInput = {
  /** null: a new one. */
  id: string | null;
  name: string;
  baseUrl: string;
  /** null: it stays as it is. */
  apiKey: string | null;
  weight: number;
  isEnabled: boolean;
  /** Whether `safety_identifier` and `stream_options` are set in bodies that have none. */
  addsMembers: boolean;
  projectTier: ProjectTier | null;
};

/** Adds an upstream or changes one; a changed server needs its key anew. @throws AppError `invalid_input`, `not_found`, `conflict` where none would be left */
export async function putUpstream(
  db: Database,
  secrets: Secrets,
  input: UpstreamInput & { actor: Actor },
): Promise<void> {
  const { actor, name, apiKey, weight, isEnabled, addsMembers, projectTier } = input;
  await recordAct(db, actor, async (client) => {
    const { allowsPrivateUpstreams } = await readSettings({ pool: client });
    const baseUrl = checkedBaseUrl(input.baseUrl, allowsPrivateUpstreams);
    const id = input.id ?? randomUUID();
    const before = await lockUpstream(client, id);
    if (input.id === null) {
      if (apiKey === null) throw new AppError("invalid_input", "Enter the key of the upstream.", "apiKey");
      await client.query(
        `INSERT INTO upstream (id, name, base_url, key_ciphertext, key_last_four, weight, enabled, adds_members, project_tier)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [
          ...[id, name, baseUrl, encrypt(apiKey, secrets.encryptionKey, id), apiKey.slice(-4)],
          ...[weight, isEnabled, addsMembers, projectTier],
        ],
      );
    } else {
      if (!before) throw new AppError("not_found", "The upstream does not exist.");
      if (apiKey === null) requireSameOrigin(before.baseUrl, baseUrl);
      await client.query(
        `UPDATE upstream SET name = $2, base_url = $3, weight = $4, enabled = $5, adds_members = $6, project_tier = $7,
           updated_at = now()
         WHERE id = $1`,
        [id, name, baseUrl, weight, isEnabled, addsMembers, projectTier],
      );
      if (apiKey !== null) {
        await client.query("UPDATE upstream SET key_ciphertext = $2, key_last_four = $3 WHERE id = $1", [
          id,
          encrypt(apiKey, secrets.encryptionKey, id),
          apiKey.slice(-4),
        ]);
      }
    }
    await requireOneEnabled(client);
    const keyLastFour = apiKey === null ? before?.keyLastFour : apiKey.slice(-4);
    return {
      act: {
        action: input.id === null ? "create_upstream" : "update_upstream",
        targetKind: "upstream",
        targetId: id,
        before,
        after: { name, baseUrl, weight, isEnabled, keyLastFour, addsMembers, projectTier },
        details: { isKeyChanged: apiKey !== null },
      },
      result: undefined,
    };
  });
}

/** @throws AppError `not_found`, `conflict` where none would be left */
export async function deleteUpstream(db: Database, { id, actor }: { id: string; actor: Actor }): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const before = await lockUpstream(client, id);
    if (!before) throw new AppError("not_found", "The upstream does not exist.");
    await client.query("DELETE FROM upstream WHERE id = $1", [id]);
    await requireOneEnabled(client);
    return {
      act: { action: "delete_upstream", targetKind: "upstream", targetId: id, before, after: null },
      result: undefined,
    };
  });
}

type AuditableUpstream = Omit<UpstreamSummary, "id">;

/** The upstream as an act finds it; null where there is none. Changes of upstreams follow one after the other. */
async function lockUpstream(client: Queryable, id: string): Promise<AuditableUpstream | null> {
  // All of them, in one order: whether one stays enabled is a question of all.
  const { rows } = await client.query<AuditableUpstream & { id: string }>(
    `SELECT id, name, base_url AS "baseUrl", weight, enabled AS "isEnabled", key_last_four AS "keyLastFour",
       adds_members AS "addsMembers", project_tier AS "projectTier"
     FROM upstream ORDER BY id FOR UPDATE`,
  );
  const found = rows.find((row) => row.id === id);
  if (!found) return null;
  const { id: _id, ...upstream } = found;
  return upstream;
}

/** `fault` null: it answered as it should. `id` null: it is not saved yet. */
export async function recordUpstreamTest(
  db: Pick<Database, "pool">,
  { id, baseUrl, fault, actor }: { id: string | null; baseUrl: string; fault: string | null; actor: Actor },
): Promise<void> {
  const details = { baseUrl, isGood: fault === null, ...(fault === null ? {} : { fault }) };
  await recordEvent(db, actor, { action: "test_upstream", targetKind: "upstream", targetId: id, details });
}

async function requireOneEnabled(client: Queryable): Promise<void> {
  const { rowCount } = await client.query("SELECT 1 FROM upstream WHERE enabled LIMIT 1");
  if (rowCount === 0) throw new AppError("conflict", "At least one upstream must stay enabled.");
}

/** Address and key of one upstream, for a test of its connection. @throws AppError `not_found` */
export async function openUpstream(
  db: Pick<Database, "prisma">,
  secrets: Secrets,
  id: string,
): Promise<{ baseUrl: string; apiKey: string }> {
  const row = await db.prisma.upstream.findUnique({ where: { id } });
  if (!row) throw new AppError("not_found", "The upstream does not exist.");
  return { baseUrl: row.baseUrl, apiKey: decrypt(row.keyCiphertext, secrets.encryptionKey, row.id) };
}
