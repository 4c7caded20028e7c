/** Tells who a secret belongs to: from memory for at most 5 s, and never after word of a change has come. */
import type { Database } from "@codex-gateway/db";
import { peppersOf, safetyIdentifierOf, type Secrets } from "../security/secrets.ts";
import { networksOf, type Networks } from "../security/networks.ts";
import { createKeyLookups } from "./key-lookups.ts";
import { hashSecret, isSecret } from "./secret.ts";

type KeyHolder = {
  apiKeyId: string;
  userId: string;
  accountId: string;
  safetyIdentifier: string;
  /** Empty: all. A name may end in `*`. */
  allowedModels: string[];
};
type KeyRefusal = {
  refused:
    | "invalid_api_key"
    | "user_suspended"
    | "key_disabled"
    | "key_expired"
    | "endpoint_not_allowed"
    | "address_not_allowed";
};
/** What a key is used for, and from where. `endpoint` is null for reads, which every key may ask. */
export type KeyUse = { endpoint: string | null; remoteAddress: string };

export type KeyRing = {
  authenticate(secret: string, use: KeyUse): KeyHolder | KeyRefusal | Promise<KeyHolder | KeyRefusal>;
  forget(): void;
  /** Writes down when keys were last used; many requests become one write. */
  flushLastUsed(): Promise<void>;
};

const cacheMs = 5_000;
const maxCached = 50_000;
const unknown: KeyRefusal = { refused: "invalid_api_key" };

type Row = {
  id: string;
  user_id: string;
  account_id: string;
  key_status: string;
  user_status: string;
  expires_at: Date | null;
  /** Until when this secret is the key's; null: as long as the key has no other. */
  secret_expires: Date | null;
  allowed_models: string[];
  allowed_endpoints: string[];
  allowed_addresses: string[];
};
type Known = { holder: KeyHolder; endpoints: readonly string[]; addresses: Networks | null };
type Answer = Known | KeyRefusal;
type Cached = { answer: Answer; untilMs: number };

export function createKeyRing(db: Pick<Database, "pool">, secrets: Secrets, now: () => number = Date.now): KeyRing {
  let cache = new Map<string, Cached>();
  let used = new Set<string>();
  const hashesOf = (secret: string) => peppersOf(secrets).map((pepper) => hashSecret(secret, pepper));
  const lookups = createKeyLookups((asked) => readRows(db, asked, hashesOf));

  async function look(secret: string): Promise<Answer> {
    if (!isSecret(secret)) return unknown;
    // Word of a change that comes while the query runs must not be undone by its answer.
    const before = cache;
    const row = await lookups.find(secret);
    if (!row) return unknown;
    // A key that is used while the secret key is being replaced goes over to the new one.
    if (secrets.previous) {
      await db.pool.query(
        `UPDATE api_key SET secret_hash = CASE WHEN secret_hash = $3 THEN $2 ELSE secret_hash END,
           previous_secret_hash = CASE WHEN previous_secret_hash = $3 THEN $2 ELSE previous_secret_hash END
         WHERE id = $1 AND $3 IN (secret_hash, previous_secret_hash)`,
        [row.id, ...hashesOf(secret)],
      );
    }
    const answer = answerFor(row, secrets, now());
    if (cache.size >= maxCached) cache = new Map();
    else if (cache === before) {
      const ends = [row.expires_at, row.secret_expires].map((at) => at?.getTime() ?? Infinity);
      const untilMs = Math.min(now() + cacheMs, ...ends);
      cache.set(secret, { answer, untilMs });
    }
    if ("holder" in answer) used.add(answer.holder.apiKeyId);
    return answer;
  }

  return {
    authenticate: (secret, use) => {
      const cached = cache.get(secret);
      if (cached && cached.untilMs > now()) return allowedUse(cached.answer, use);
      return look(secret).then((answer) => allowedUse(answer, use));
    },
    forget: () => {
      cache = new Map();
    },
    flushLastUsed: async () => {
      if (used.size === 0) return;
      const ids = [...used];
      used = new Set();
      await db.pool.query("UPDATE api_key SET last_used_at = now() WHERE id = ANY ($1::uuid[])", [ids]);
    },
  };
}

/** By secret; of the peppers of one secret, one at most is its key's. */
async function readRows(
  db: Pick<Database, "pool">,
  asked: string[],
  hashesOf: (secret: string) => Buffer[],
): Promise<Map<string, Row>> {
  const secretOfHash = new Map<string, string>();
  for (const secret of asked) for (const hash of hashesOf(secret)) secretOfHash.set(hash.toString("hex"), secret);
  const { rows } = await db.pool.query<Row & { hash: string }>({
    name: "keys_by_secret",
    text: `SELECT encode(s.hash, 'hex') AS hash, k.id, k.user_id, a.id AS account_id, k.status AS key_status,
        u.status AS user_status, k.expires_at,
        CASE WHEN k.secret_hash <> s.hash THEN k.previous_secret_expires END AS secret_expires,
        k.allowed_models, k.allowed_endpoints, k.allowed_addresses
      FROM unnest($1::bytea[]) AS s(hash)
      CROSS JOIN LATERAL (
        SELECT * FROM api_key WHERE secret_hash = s.hash
        UNION ALL
        SELECT * FROM api_key WHERE previous_secret_hash = s.hash AND previous_secret_expires > now()
      ) k
      JOIN "user" u ON u.id = k.user_id JOIN account a ON a.user_id = u.id AND a.kind = 'wallet'`,
    values: [[...secretOfHash.keys()].map((hex) => `\\x${hex}`)],
  });
  return new Map(rows.map((row) => [secretOfHash.get(row.hash) ?? "", row]));
}

/** Where the key is used as its policy allows, its holder. */
function allowedUse(answer: Answer, { endpoint, remoteAddress }: KeyUse): KeyHolder | KeyRefusal {
  if ("refused" in answer) return answer;
  const { holder, endpoints, addresses } = answer;
  if (addresses && !addresses.has(remoteAddress)) return { refused: "address_not_allowed" };
  const isAllowed = endpoint === null || endpoints.length === 0 || endpoints.includes(endpoint);
  return isAllowed ? holder : { refused: "endpoint_not_allowed" };
}

function answerFor(row: Row, secrets: Secrets, nowMs: number): Answer {
  if (row.key_status === "deleted") return unknown;
  if (row.user_status !== "active") return { refused: "user_suspended" };
  if (row.key_status !== "active") return { refused: "key_disabled" };
  if (row.expires_at && row.expires_at.getTime() <= nowMs) return { refused: "key_expired" };
  const { allowed_endpoints, allowed_addresses } = row;
  return {
    holder: {
      apiKeyId: row.id,
      userId: row.user_id,
      accountId: row.account_id,
      safetyIdentifier: safetyIdentifierOf(row.user_id, secrets),
      allowedModels: row.allowed_models,
    },
    endpoints: allowed_endpoints,
    addresses: allowed_addresses.length === 0 ? null : networksOf("The API key", allowed_addresses),
  };
}

/** Whether the key may use the model. */
export const mayUseModel = ({ allowedModels }: { allowedModels: readonly string[] }, model: string): boolean =>
  allowedModels.length === 0 ||
  allowedModels.some((name) => (name.endsWith("*") ? model.startsWith(name.slice(0, -1)) : name === model));
