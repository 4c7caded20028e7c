/** What admins do with people: add them, give them a role, end their sessions, take them away. */
import { randomUUID } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { setKeyStatus } from "../api-keys/key-changes.ts";
import { lockManagedUser } from "./managed-user.ts";
import { insertFirstPasswordLink, type ResetLink } from "./password-reset.ts";
import { insertUser } from "./registration.ts";
import type { GrantableRole } from "./roles.ts";

type OfUser = { userId: string; actor: Actor };

/** Without a password: the link, which is answered here and never again, lets its user choose one. @throws AppError `conflict` where the address is taken */
export async function createUser(
  db: Database,
  input: { email: string; role: GrantableRole; creditNanoUsd: bigint; actor: Actor },
): Promise<{ userId: string; link: ResetLink }> {
  const { email, role, creditNanoUsd, actor } = input;
  const userId = randomUUID();
  return recordAct(db, actor, async (client) => {
    await insertUser(client, { id: userId, email, passwordHash: null, role, balanceNanoUsd: creditNanoUsd });
    const link = await insertFirstPasswordLink(client, { userId, createdBy: actor.userId });
    const after = { email, role, balanceUsd: usdOf(creditNanoUsd) };
    return {
      act: { action: "create_user", targetKind: "user", targetId: userId, before: null, after },
      result: { userId, link },
    };
  });
}

/** The user's sessions end, so that each begins with the rights that it has. @throws AppError `not_found`, `forbidden` */
export async function setUserRole(
  db: Database,
  { userId, role, actor }: OfUser & { role: GrantableRole },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const user = await lockManagedUser(client, { userId, actor }, { isOwnAllowed: false });
    if (user.role === role) return { act: null, result: undefined };
    await client.query('UPDATE "user" SET role = $2::user_role WHERE id = $1', [userId, role]);
    const endedSessions = await endSessions(client, userId);
    return {
      act: {
        action: "update_role",
        targetKind: "user",
        targetId: userId,
        before: { role: user.role },
        after: { role },
        details: { endedSessions },
      },
      result: undefined,
    };
  });
}

async function endSessions(client: Queryable, userId: string): Promise<number> {
  const { rowCount } = await client.query("DELETE FROM session WHERE user_id = $1", [userId]);
  return rowCount ?? 0;
}

/** Answers how many there were. @throws AppError `not_found`, `forbidden` */
export async function endUserSessions(db: Database, { userId, actor }: OfUser): Promise<number> {
  return recordAct(db, actor, async (client) => {
    await lockManagedUser(client, { userId, actor }, { isOwnAllowed: true });
    const ended = await endSessions(client, userId);
    if (ended === 0) return { act: null, result: 0 };
    return {
      act: {
        action: "end_sessions",
        targetKind: "user",
        targetId: userId,
        before: { sessions: ended },
        after: { sessions: 0 },
      },
      result: ended,
    };
  });
}

/** @throws AppError `not_found` where the user has no such key, `forbidden` */
export async function setUserKeyStatus(
  db: Database,
  { userId, keyId, status, actor }: OfUser & { keyId: string; status: "active" | "disabled" },
): Promise<void> {
  const allow = async (client: Queryable) => {
    await lockManagedUser(client, { userId, actor }, { isOwnAllowed: true });
  };
  await setKeyStatus(db, { userId, keyId, status, actor, allow });
}

/** What a user is called who is not there any more. */
const pseudonymOf = (userId: string): string => `deleted-${userId.replaceAll("-", "").slice(0, 16)}@deleted.invalid`;

/**
 * Takes away what is personal and ends every session and key. The wallet, its charges and entries stay, under a pseudonym:
 * without them the books could not be proven. @throws AppError `not_found`, `forbidden`, `conflict` where `email` is not theirs
 */
export async function deleteUser(db: Database, { userId, email, actor }: OfUser & { email: string }): Promise<void> {
  await recordAct(db, actor, async (client) => {
    const user = await lockManagedUser(client, { userId, actor }, { isOwnAllowed: false });
    if (user.email !== email) throw new AppError("conflict", "This is not the user's e-mail address.", "email");
    const endedSessions = await endSessions(client, userId);
    const keys = await client.query(
      `UPDATE api_key SET status = 'deleted', deleted_at = now(), name = '', previous_secret_hash = NULL,
         previous_secret_expires = NULL WHERE user_id = $1 AND status <> 'deleted'`,
      [userId],
    );
    await forgetPerson(client, { userId, email });
    await client.query(
      `UPDATE "user" SET email = $2, password_hash = NULL, status = 'suspended', role = 'user', language = NULL,
         deleted_at = now() WHERE id = $1`,
      [userId, pseudonymOf(userId)],
    );
    return {
      act: {
        action: "delete_user",
        targetKind: "user",
        targetId: userId,
        before: { role: user.role, status: user.status },
        after: null,
        details: { endedSessions, keys: keys.rowCount ?? 0 },
      },
      result: undefined,
    };
  });
}

/** From wherever it is kept beside the user's own row. */
async function forgetPerson(client: Queryable, { userId, email }: { userId: string; email: string }): Promise<void> {
  await client.query("UPDATE api_key SET name = '' WHERE user_id = $1", [userId]);
  for (const table of ["known_client", "password_reset", "totp", "recovery_code", "ownership_offer"]) {
    await client.query(`DELETE FROM ${table} WHERE user_id = $1`, [userId]);
  }
  await client.query("DELETE FROM idempotency WHERE api_key_id IN (SELECT id FROM api_key WHERE user_id = $1)", [
    userId,
  ]);
  await client.query("DELETE FROM standing_alert WHERE subject = $1", [userId]);
  await client.query("DELETE FROM alert_delivery WHERE recipient = $1", [email]);
  await client.query(
    `UPDATE alert SET facts = replace(facts::text, to_json($1::text)::text, to_json($2::text)::text)::jsonb
     WHERE strpos(facts::text, to_json($1::text)::text) > 0`,
    [email, pseudonymOf(userId)],
  );
  await client.query("UPDATE invite SET email = NULL WHERE email = $1", [email]);
  await client.query("DELETE FROM throttle WHERE strpos(key, $1) > 0", [email]);
}
