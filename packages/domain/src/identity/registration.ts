/** New users: each with a wallet. */
import { randomUUID } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { recordAct } from "../audit/audit.ts";
import { readSettings } from "../settings/settings.ts";
import { networkOf } from "../security/client-network.ts";
import type { Credentials } from "./credentials.ts";
import { openSession, type OpenedSession, type Visitor } from "./sessions.ts";
import { tooManyAttempts, type Throttles } from "./throttles.ts";

/**
 * Makes a user with the default balance and opens their first session.
 * @throws AppError `registration_closed`, `conflict`, `too_many_attempts`, `busy`
 */
export async function register(
  db: Database,
  throttles: Throttles,
  { email, password }: Credentials,
  visitor: Visitor,
): Promise<OpenedSession> {
  const settings = await readSettings(db);
  if (!settings.isRegistrationOpen) throw new AppError("registration_closed", "Registration is closed.");
  const { address } = visitor;
  const { network } = networkOf(address);
  const passwordHash = await throttles.passwords.admit({ account: `${email}|${network}`, network }, async (hasher) => {
    const guesses = await throttles.perAddress.get(network);
    // Whoever has guessed too often from there makes no account to guess on with either.
    if (guesses && guesses.consumedPoints > throttles.perAddress.points) throw tooManyAttempts(guesses);
    await throttles.perRegistrant.consume(network).catch((error: unknown) => {
      throw tooManyAttempts(error);
    });
    return hasher.hash(password, { isKnown: false });
  });
  const [userId, balanceNanoUsd] = [randomUUID(), BigInt(settings.defaultBalanceNanoUsd)];
  return recordAct(db, { userId, email, address }, async (client) => {
    await insertUser(client, { id: userId, email, passwordHash, role: "user", balanceNanoUsd });
    const session = await openSession(client, { userId, visitor });
    const after = { email, role: "user", balanceUsd: usdOf(balanceNanoUsd) };
    return { act: { action: "register", targetKind: "user", targetId: userId, before: null, after }, result: session };
  });
}

type NewUser = { id: string; email: string; passwordHash: string; role: "owner" | "user"; balanceNanoUsd: bigint };

/** Within a transaction of the caller's, who tells it in the audit log. @throws AppError `conflict` where the address is taken */
export async function insertUser(client: Queryable, user: NewUser): Promise<void> {
  const accountId = randomUUID();
  const inserted = await client.query(
    `INSERT INTO "user" (id, email, password_hash, role) VALUES ($1, $2, $3, $4) ON CONFLICT (email) DO NOTHING`,
    [user.id, user.email, user.passwordHash, user.role],
  );
  if (inserted.rowCount === 0) throw new AppError("conflict", "This e-mail address is registered already.", "email");
  await client.query("INSERT INTO account (id, kind, user_id) VALUES ($1, 'wallet', $2)", [accountId, user.id]);
  if (user.balanceNanoUsd === 0n) return;
  const [adjustmentId, amount] = [randomUUID(), String(user.balanceNanoUsd)];
  await client.query(
    `INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid, note)
     VALUES ($1, $2, 'welcome', $3, $4, false, '')`,
    [adjustmentId, accountId, user.id, amount],
  );
  await client.query("SELECT credit($1, 'adjustment', $2, $3)", [accountId, adjustmentId, amount]);
}
