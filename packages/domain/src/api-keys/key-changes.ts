/** What an owner changes about a key: what it may do, whether it works at all, its secret. Every process follows within a second. */
import type { Database, Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, type Act, type Actor } from "../audit/audit.ts";
import { auditablePolicy, type KeyPolicy } from "./auditable-policy.ts";
import { maskOf } from "./keys.ts";
import { createSecret, displayOf, hashSecret } from "./secret.ts";

type OfKey = { userId: string; keyId: string; actor: Actor };
export type { KeyPolicy } from "./auditable-policy.ts";
type Row = {
  name: string;
  status: "active" | "disabled";
  prefix: string;
  last_four: string;
  expires_at: Date | null;
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent_requests: number | null;
  daily_budget_nano_usd: string | null;
  monthly_budget_nano_usd: string | null;
  allowed_models: string[];
  allowed_endpoints: string[];
  allowed_addresses: string[];
};

async function lockKey(client: Queryable, { userId, keyId }: OfKey): Promise<Row> {
  const { rows } = await client.query<Row>(
    `SELECT name, status, prefix, last_four, expires_at, requests_per_minute, tokens_per_minute, concurrent_requests,
       daily_budget_nano_usd, monthly_budget_nano_usd, allowed_models, allowed_endpoints, allowed_addresses
     FROM api_key WHERE id = $1 AND user_id = $2 AND status <> 'deleted' FOR UPDATE`,
    [keyId, userId],
  );
  if (!rows[0]) throw new AppError("not_found", "The API key does not exist.");
  return rows[0];
}

/** Gives the key a new name and new limits in place of all that it had. @throws AppError `not_found` where the user has no such key */
export async function updateKey(db: Database, { policy, ...of }: OfKey & { policy: KeyPolicy }): Promise<void> {
  await recordAct(db, of.actor, async (client) => {
    const before = auditableRow(await lockKey(client, of));
    const after = auditablePolicy(policy);
    await client.query(
      `UPDATE api_key SET name = $2, expires_at = $3, requests_per_minute = $4, tokens_per_minute = $5,
         concurrent_requests = $6, daily_budget_nano_usd = $7, monthly_budget_nano_usd = $8, allowed_models = $9,
         allowed_endpoints = $10, allowed_addresses = $11 WHERE id = $1`,
      [
        of.keyId,
        after.name,
        policy.expiresAt,
        after.requestsPerMinute,
        after.tokensPerMinute,
        after.concurrentRequests,
        after.dailyBudgetNanoUsd,
        after.monthlyBudgetNanoUsd,
        after.allowedModels,
        after.allowedEndpoints,
        after.allowedAddresses,
      ],
    );
    return { act: ofKey(of, { action: "update_key", before, after }), result: undefined };
  });
}

/** A disabled key is refused until it is enabled again. @throws AppError `not_found` where the user has no such key */
export async function setKeyStatus(
  db: Database,
  { status, ...of }: OfKey & { status: "active" | "disabled" },
): Promise<void> {
  await recordAct(db, of.actor, async (client) => {
    const before = await lockKey(client, of);
    if (before.status === status) return { act: null, result: undefined };
    await client.query("UPDATE api_key SET status = $2::api_key_status WHERE id = $1", [of.keyId, status]);
    const action = status === "active" ? "enable_key" : "disable_key";
    return {
      act: ofKey(of, { action, before: before.status, after: status, details: { name: before.name } }),
      result: undefined,
    };
  });
}

/**
 * Gives the key another secret. The one before it works for `graceHours` more, and the one before that no longer. `masked`
 * is the key as its owner saw it: the same order given twice is carried out once.
 * @throws AppError `not_found` where the user has no such key, `conflict` where its secret is another one by now
 */
export async function rotateKey(
  db: Database,
  { masked, graceHours, keyPepper, ...of }: OfKey & { masked: string; graceHours: number; keyPepper: Uint8Array },
): Promise<{ secret: string }> {
  const secret = createSecret();
  const { prefix, lastFour } = displayOf(secret);
  return recordAct(db, of.actor, async (client) => {
    const before = await lockKey(client, of);
    if (maskOf(before.prefix, before.last_four) !== masked) {
      throw new AppError("conflict", "The key has another secret by now; look at the list again.");
    }
    await client.query(
      `UPDATE api_key SET secret_hash = $2, prefix = $3, last_four = $4,
         previous_secret_hash = CASE WHEN $5::int > 0 THEN secret_hash END,
         previous_secret_expires = CASE WHEN $5::int > 0 THEN now() + $5::int * interval '1 hour' END WHERE id = $1`,
      [of.keyId, hashSecret(secret, keyPepper), prefix, lastFour, graceHours],
    );
    const details = { name: before.name, graceHours };
    return {
      act: ofKey(of, { action: "rotate_key", before: masked, after: maskOf(prefix, lastFour), details }),
      result: { secret },
    };
  });
}

const ofKey = ({ keyId }: OfKey, act: Omit<Act, "targetKind" | "targetId">): Act => ({
  ...act,
  targetKind: "api_key",
  targetId: keyId,
});

const auditableRow = (row: Row) =>
  auditablePolicy({
    name: row.name,
    requestsPerMinute: row.requests_per_minute,
    tokensPerMinute: row.tokens_per_minute,
    concurrentRequests: row.concurrent_requests,
    dailyBudgetNanoUsd: row.daily_budget_nano_usd === null ? null : BigInt(row.daily_budget_nano_usd),
    monthlyBudgetNanoUsd: row.monthly_budget_nano_usd === null ? null : BigInt(row.monthly_budget_nano_usd),
    allowedModels: row.allowed_models,
    allowedEndpoints: row.allowed_endpoints,
    allowedAddresses: row.allowed_addresses,
    expiresAt: row.expires_at,
  });
