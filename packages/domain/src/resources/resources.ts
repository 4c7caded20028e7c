/**
 * What lies with providers for whom. All accounts share the operator's project there, so that an id says nothing of whose it
 * is: only these rows do, and for a response its charge. To everybody else than its account it does not exist.
 */
import type { Database } from "@codex-gateway/db";
import { findResponse } from "../reports/charges.ts";

type Reader = Pick<Database, "pool">;

type ResourceKind = "response" | "conversation" | "chat_completion";
type ResourceName = { kind: ResourceKind; id: string };
/** `param` is the member of a body that names it; null: the path does. */
export type ResourceRef = ResourceName & { param: string | null };
/** Null: nobody has written down which upstream it was. */
type Location = { upstreamId: string | null };
type MissingResource = { refused: "response_not_found" | "resource_not_found"; message: string; param?: string };

/** Returns the upstream where all of them lie; they are refused where one is not the account's, or two lie apart. */
export async function locateResources(
  db: Reader,
  { accountId, resources }: { accountId: string; resources: readonly ResourceRef[] },
): Promise<Location | MissingResource> {
  let upstreamId: string | null = null;
  for (const resource of resources) {
    const found = await locateResource(db, { accountId, ...resource });
    const isApart = upstreamId !== null && found?.upstreamId && found.upstreamId !== upstreamId;
    if (!found || isApart) return missingResource(resource);
    upstreamId = found.upstreamId ?? upstreamId;
  }
  return { upstreamId };
}

/** Says that it does not exist, whoever's it is. */
export function missingResource({ kind, id, param }: ResourceRef): MissingResource {
  const message = `${kindNames[kind]} with id '${id.length > 100 ? `${id.slice(0, 100)}…` : id}' not found.`;
  const refused = param === "previous_response_id" ? "response_not_found" : "resource_not_found";
  return param === null ? { refused, message } : { refused, message, param };
}

const kindNames: Readonly<Record<ResourceKind, string>> = {
  response: "Response",
  conversation: "Conversation",
  chat_completion: "Chat completion",
};

async function locateResource(
  db: Reader,
  { accountId, kind, id }: ResourceName & { accountId: string },
): Promise<Location | null> {
  const { rows } = await db.pool.query<{ upstream_id: string; is_deleted: boolean }>(
    `SELECT upstream_id, deleted_at IS NOT NULL AS is_deleted FROM resource
     WHERE kind = $1 AND id = $2 AND account_id = $3 ORDER BY is_deleted, created_at DESC LIMIT 1`,
    [kind, id, accountId],
  );
  if (rows[0]) return rows[0].is_deleted ? null : { upstreamId: rows[0].upstream_id };
  if (kind !== "response") return null;
  return findResponse(db, accountId, id);
}

type OwnedResource = ResourceName & { accountId: string; apiKeyId: string; upstreamId: string };

/** Writes down whose it is; said again it changes nothing, and what is another account's already stays that. */
export async function addResource(
  { pool }: Reader,
  { kind, id, upstreamId, accountId, apiKeyId }: OwnedResource,
): Promise<void> {
  await pool.query(
    `INSERT INTO resource (kind, id, upstream_id, account_id, api_key_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (kind, id, upstream_id) DO NOTHING`,
    [kind, id, upstreamId, accountId, apiKeyId],
  );
}

/** So many of a kind an account may have at once: what costs nothing would otherwise be stored without an end. */
const maxPerKind = 10_000;

/** Tells whether the account may have one more. */
export async function mayAddResource(
  { pool }: Reader,
  { accountId, kind }: { accountId: string; kind: ResourceKind },
): Promise<boolean> {
  const { rows } = await pool.query<{ there: bigint }>(
    `SELECT count(*) AS there FROM (
       SELECT 1 FROM resource WHERE account_id = $1 AND kind = $2 AND deleted_at IS NULL LIMIT $3) r`,
    [accountId, kind, maxPerKind],
  );
  return Number(rows[0]?.there ?? 0) < maxPerKind;
}

type ResourceList = {
  accountId: string;
  kind: ResourceKind;
  after: string | null;
  order: "asc" | "desc";
  limit: number;
};

/** Lists an account's resources by age, behind the one of the id `after`; null where there is none of it. */
export async function listResources(
  { pool }: Reader,
  { accountId, kind, after, order, limit }: ResourceList,
): Promise<{ id: string; upstreamId: string }[] | null> {
  const { rows: starts } = await pool.query<{ created_at: Date }>(
    "SELECT created_at FROM resource WHERE account_id = $1 AND kind = $2 AND id = $3",
    [accountId, kind, after],
  );
  if (after !== null && !starts[0]) return null;
  const [beyond, direction] = order === "asc" ? [">", "ASC"] : ["<", "DESC"];
  const { rows } = await pool.query<{ id: string; upstream_id: string }>(
    `SELECT id, upstream_id FROM resource r WHERE account_id = $1 AND kind = $2 AND deleted_at IS NULL AND ($3::text IS NULL
       OR (created_at, id) ${beyond} (SELECT created_at, id FROM resource WHERE account_id = $1 AND kind = $2 AND id = $3 LIMIT 1))
     ORDER BY created_at ${direction}, id ${direction} LIMIT $4`,
    [accountId, kind, after, limit],
  );
  return rows.map(({ id, upstream_id: upstreamId }) => ({ id, upstreamId }));
}

/** Writes down that it is gone: nobody is told of it any more. */
export async function removeResource(
  { pool }: Reader,
  { kind, id, upstreamId, accountId, apiKeyId }: OwnedResource,
): Promise<void> {
  await pool.query(
    `INSERT INTO resource AS r (kind, id, upstream_id, account_id, api_key_id, deleted_at) VALUES ($1, $2, $3, $4, $5, now())
     ON CONFLICT (kind, id, upstream_id) DO UPDATE SET deleted_at = coalesce(r.deleted_at, now())
       WHERE r.account_id = excluded.account_id`,
    [kind, id, upstreamId, accountId, apiKeyId],
  );
}
