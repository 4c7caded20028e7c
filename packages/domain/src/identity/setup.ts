/** The first start: one token, one owner, once. Without the token nobody becomes the owner; with it, exactly one does. */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { type Database, inTransaction, lockInTransaction, type Queryable } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct } from "../audit/audit.ts";
import type { Secrets } from "../security/secrets.ts";
import { writeSettings, type Settings } from "../settings/settings.ts";
import { saveUpstream } from "../upstreams/upstreams.ts";
import type { Credentials } from "./credentials.ts";
import { networkOf } from "../security/client-network.ts";
import { insertUser } from "./registration.ts";
import { openSession, type OpenedSession, type Visitor } from "./sessions.ts";
import type { Throttles } from "./throttles.ts";

const hashOf = (token: string) => createHash("sha256").update(token).digest();

export async function hasOwner(db: { pool: Queryable }): Promise<boolean> {
  return ((await db.pool.query(`SELECT 1 FROM "user" WHERE role = 'owner'`)).rowCount ?? 0) > 0;
}

/** A new token in place of an earlier start's; null where there is an owner already. */
export async function issueSetupToken(db: Database): Promise<string | null> {
  const token = randomBytes(24).toString("base64url");
  return inTransaction(db, async (client) => {
    await lockInTransaction(client, "setup");
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

/** Makes the owner, the first upstream, the settings and the owner's first session in one transaction. */
export async function completeSetup(
  db: Database,
  { secrets, throttles }: { secrets: Secrets; throttles: Throttles },
  input: SetupInput,
  visitor: Visitor,
): Promise<OpenedSession> {
  await requireSetupToken(db, input.token);
  const { email, password } = input.owner;
  const { address } = visitor;
  const { network } = networkOf(address);
  // Who has the token is no stranger.
  const passwordHash = await throttles.passwords.admit({ account: `${email}|${network}`, network }, (hasher) =>
    hasher.hash(password, { isKnown: true }),
  );
  const userId = randomUUID();
  return recordAct(db, { userId, email, address }, async (client) => {
    await lockInTransaction(client, "setup");
    await requireSetupToken({ pool: client }, input.token);
    await insertUser(client, { id: userId, email, passwordHash, role: "owner", balanceNanoUsd: 0n });
    await writeSettings(client, input.settings);
    await saveUpstream(client, secrets, input.upstream);
    await client.query("DELETE FROM setup");
    const session = await openSession(client, { userId, visitor });
    const after = { email, role: "owner", baseUrl: input.upstream.baseUrl, ...input.settings };
    return {
      act: { action: "complete_setup", targetKind: "system", targetId: null, before: null, after },
      result: session,
    };
  });
}
