/** The first start: one token, one owner, once. Without the token nobody becomes the owner; with it, exactly one does. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { appendAudit, inTransaction } from "../audit/audit.ts";
import type { Secrets } from "../access/secrets.ts";
import { writeSettings, type Settings } from "../settings/settings.ts";
import { saveUpstream } from "../upstreams/upstreams.ts";
import type { Credentials } from "./credentials.ts";
import { insertUser } from "./login.ts";
import { hashPassword } from "./passwords.ts";

/** Taken by whatever makes the first owner. */
export const setupLock = 7305111;
const hashOf = (token: string) => createHash("sha256").update(token).digest();

type Queryable = { query: Database["pool"]["query"] };

export async function hasOwner(db: { pool: Queryable }): Promise<boolean> {
  return ((await db.pool.query(`SELECT 1 FROM "user" WHERE role = 'owner'`)).rowCount ?? 0) > 0;
}

/** A new token in place of an earlier start's; null where there is an owner already. */
export async function issueSetupToken(db: Database): Promise<string | null> {
  const token = randomBytes(24).toString("base64url");
  return inTransaction(db, async (client) => {
    await client.query("SELECT pg_advisory_xact_lock($1)", [setupLock]);
    if (await hasOwner({ pool: client })) return null;
    await client.query(
      `INSERT INTO setup (token_hash) VALUES ($1)
       ON CONFLICT (is_only) DO UPDATE SET token_hash = excluded.token_hash, created_at = now()`,
      [hashOf(token)],
    );
    return token;
  });
}

/** @throws AppError `setup_done` where there is an owner, `forbidden` where the token is another one */
export async function requireSetupToken(db: { pool: Queryable }, token: string): Promise<void> {
  if (await hasOwner(db)) throw new AppError("setup_done", "The set-up is done.");
  const { rows } = await db.pool.query<{ token_hash: Buffer }>("SELECT token_hash FROM setup");
  const expected = rows[0]?.token_hash;
  if (!expected || !timingSafeEqual(expected, hashOf(token))) {
    throw new AppError("forbidden", "The set-up token is not the one that the start printed.", "token");
  }
}

export type SetupInput = {
  token: string;
  owner: Credentials;
  upstream: { baseUrl: string; apiKey: string };
  settings: Pick<Settings, "announcement" | "defaultBalanceNanoUsd" | "isRegistrationOpen" | "allowsPrivateUpstreams">;
};

/** Makes the owner, the first upstream and the settings in one transaction; answers with the owner's id. */
export async function completeSetup(
  db: Database,
  secrets: Secrets,
  input: SetupInput,
  address: string,
): Promise<string> {
  await requireSetupToken(db, input.token);
  const passwordHash = await hashPassword(input.owner.password);
  return inTransaction(db, async (client) => {
    await client.query("SELECT pg_advisory_xact_lock($1)", [setupLock]);
    await requireSetupToken({ pool: client }, input.token);
    const { email } = input.owner;
    const userId = await insertUser(client, { email, passwordHash, role: "owner", balanceNanoUsd: 0n, address });
    await writeSettings(client, input.settings);
    await saveUpstream(client, secrets, input.upstream);
    await client.query("DELETE FROM setup");
    const actor = { userId, email, address };
    await appendAudit(client, actor, { action: "complete_setup", targetKind: "system", targetId: null });
    return userId;
  });
}
