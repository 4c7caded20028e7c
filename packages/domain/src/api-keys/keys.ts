/** API keys: created, listed and deleted by their owner; the secret is shown once and only its hash is kept. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { auditablePolicy } from "./auditable-policy.ts";
import { createSecret, displayOf, hashSecret } from "./secret.ts";

export type KeySummary = {
  id: string;
  name: string;
  /** What identifies the key in lists, e.g. `sk-cg-Ab12…9xYz`. */
  masked: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  status: "active" | "disabled";
  expiresAt: Date | null;
  /** Until when the secret before this one works too; null where it does not. */
  previousSecretUntil: Date | null;
  limits: KeyLimits;
};

/** As people read them. null: no such limit. Budgets are of a day and of a month in UTC. */
export type KeyLimits = Omit<NewKeyLimits, "dailyBudgetNanoUsd" | "monthlyBudgetNanoUsd"> & {
  dailyBudgetUsd: string | null;
  monthlyBudgetUsd: string | null;
};

export type NewKeyLimits = {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  concurrentRequests: number | null;
  dailyBudgetNanoUsd: bigint | null;
  monthlyBudgetNanoUsd: bigint | null;
  /** Empty: all. */
  allowedModels: string[];
  /** By their names in `/v1`, e.g. `chat.completions`. */
  allowedEndpoints: string[];
  /** Addresses and networks (CIDR). */
  allowedAddresses: string[];
};

const noLimits: NewKeyLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrentRequests: null,
  dailyBudgetNanoUsd: null,
  monthlyBudgetNanoUsd: null,
  allowedModels: [],
  allowedEndpoints: [],
  allowedAddresses: [],
};

const maxKeysPerUser = 100;

export const maskOf = (prefix: string, lastFour: string) => `${prefix}…${lastFour}`;

/** @throws AppError `conflict` where the user has 100 keys already */
export async function createKey(
  db: Database,
  input: {
    userId: string;
    name: string;
    actor: Actor;
    keyPepper: Uint8Array;
    limits?: NewKeyLimits;
    expiresAt?: Date | null;
  },
): Promise<{ key: KeySummary; secret: string }> {
  const id = randomUUID();
  const { limits = noLimits, expiresAt = null } = input;
  const secret = createSecret();
  const { prefix, lastFour } = displayOf(secret);
  return recordAct(db, input.actor, async (client) => {
    // The user's row is locked, so that two requests at once cannot both be the hundredth.
    await client.query('SELECT 1 FROM "user" WHERE id = $1 FOR UPDATE', [input.userId]);
    const { rows } = await client.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM api_key WHERE user_id = $1 AND status <> 'deleted'",
      [input.userId],
    );
    if ((rows[0]?.count ?? 0) >= maxKeysPerUser) {
      throw new AppError("conflict", `A user may have at most ${maxKeysPerUser} keys.`);
    }
    const created = await client.query<{ created_at: Date }>(
      `INSERT INTO api_key (id, user_id, name, prefix, last_four, secret_hash, expires_at, requests_per_minute,
         tokens_per_minute, concurrent_requests, daily_budget_nano_usd, monthly_budget_nano_usd, allowed_models,
         allowed_endpoints, allowed_addresses)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING created_at`,
      [
        id,
        input.userId,
        input.name,
        prefix,
        lastFour,
        hashSecret(secret, input.keyPepper),
        expiresAt,
        limits.requestsPerMinute,
        limits.tokensPerMinute,
        limits.concurrentRequests,
        limits.dailyBudgetNanoUsd?.toString() ?? null,
        limits.monthlyBudgetNanoUsd?.toString() ?? null,
        limits.allowedModels,
        limits.allowedEndpoints,
        limits.allowedAddresses,
      ],
    );
    const key: KeySummary = {
      id,
      name: input.name,
      masked: maskOf(prefix, lastFour),
      createdAt: created.rows[0]?.created_at ?? new Date(),
      lastUsedAt: null,
      status: "active",
      expiresAt,
      previousSecretUntil: null,
      limits: limitsOf(limits),
    };
    return {
      act: {
        action: "create_key",
        targetKind: "api_key",
        targetId: id,
        before: null,
        after: { masked: key.masked, ...auditablePolicy({ ...limits, name: input.name, expiresAt }) },
      },
      result: { key, secret },
    };
  });
}

const limitsOf = (row: NewKeyLimits): KeyLimits => ({
  requestsPerMinute: row.requestsPerMinute,
  tokensPerMinute: row.tokensPerMinute,
  concurrentRequests: row.concurrentRequests,
  allowedModels: row.allowedModels,
  allowedEndpoints: row.allowedEndpoints,
  allowedAddresses: row.allowedAddresses,
  dailyBudgetUsd: row.dailyBudgetNanoUsd === null ? null : usdOf(row.dailyBudgetNanoUsd),
  monthlyBudgetUsd: row.monthlyBudgetNanoUsd === null ? null : usdOf(row.monthlyBudgetNanoUsd),
});

/** Newest first. */
export async function listKeys(db: Database, userId: string): Promise<KeySummary[]> {
  const rows = await db.prisma.apiKey.findMany({
    where: { userId, status: { not: "deleted" } },
    orderBy: { createdAt: "desc" },
  });
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    masked: maskOf(row.prefix, row.lastFour),
    createdAt: row.createdAt,
    lastUsedAt: row.lastUsedAt,
    status: row.status === "disabled" ? "disabled" : "active",
    expiresAt: row.expiresAt,
    previousSecretUntil:
      row.previousSecretExpires && row.previousSecretExpires > new Date() ? row.previousSecretExpires : null,
    limits: limitsOf(row),
  }));
}

/** Every process refuses the key within a second. @throws AppError `not_found` where the user has no such key */
export async function deleteKey(db: Database, input: { userId: string; keyId: string; actor: Actor }): Promise<void> {
  await recordAct(db, input.actor, async (client) => {
    const { rows } = await client.query<{ name: string; status: string; prefix: string; last_four: string }>(
      `SELECT name, status, prefix, last_four FROM api_key
       WHERE id = $1 AND user_id = $2 AND status <> 'deleted' FOR UPDATE`,
      [input.keyId, input.userId],
    );
    const [key] = rows;
    if (!key) throw new AppError("not_found", "The API key does not exist.");
    await client.query("UPDATE api_key SET status = 'deleted', deleted_at = now() WHERE id = $1", [input.keyId]);
    const before = { name: key.name, masked: maskOf(key.prefix, key.last_four), status: key.status };
    return {
      act: { action: "delete_key", targetKind: "api_key", targetId: input.keyId, before, after: null },
      result: undefined,
    };
  });
}
