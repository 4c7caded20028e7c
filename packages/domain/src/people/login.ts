/** Log-in and registration. Unknown, wrong and suspended are told in the same words, after the same time. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import pg from "pg";
import { RateLimiterPostgres, RateLimiterRes } from "rate-limiter-flexible";
import { AppError } from "../app-error.ts";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import { readSettings } from "../settings/settings.ts";
import type { Credentials } from "./credentials.ts";
import { hashPassword, isPasswordOf } from "./passwords.ts";

export type Throttles = {
  perAccount: RateLimiterPostgres;
  perAddress: RateLimiterPostgres;
  perRedeemer: RateLimiterPostgres;
};

/** Counters lie in PostgreSQL, so that they hold for all processes together. */
export function createThrottles({ pool }: Pick<Database, "pool">): Throttles {
  // The limiter counts in numbers, whereas the pool reads int8, which is money elsewhere, as bigint.
  const storeClient = { query: (config: pg.QueryConfig) => pool.query({ ...config, types: pg.types }) };
  const shared = {
    storeClient,
    storeType: "client",
    tableName: "throttle",
    tableCreated: true,
    clearExpiredByTimeout: false,
  };
  return {
    perAccount: new RateLimiterPostgres({ ...shared, keyPrefix: "login-account", points: 10, duration: 900 }),
    perAddress: new RateLimiterPostgres({ ...shared, keyPrefix: "login-address", points: 100, duration: 900 }),
    perRedeemer: new RateLimiterPostgres({ ...shared, keyPrefix: "redeem", points: 10, duration: 900 }),
  };
}

/** @throws AppError `too_many_attempts` */
async function consume(throttles: Throttles, email: string, address: string): Promise<void> {
  try {
    await throttles.perAddress.consume(address);
    await throttles.perAccount.consume(email);
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    throw new AppError("too_many_attempts", "Too many attempts. Try again in a quarter of an hour.");
  }
}

/** The id of the user whose credentials these are. @throws AppError `unauthorized`, `too_many_attempts` */
export async function logIn(
  db: Database,
  throttles: Throttles,
  { email, password }: Credentials,
  address: string,
): Promise<string> {
  await consume(throttles, email, address);
  const user = await db.prisma.user.findUnique({ where: { email } });
  const isRight = await isPasswordOf(user?.passwordHash ?? null, password);
  if (!user || !isRight || user.status !== "active") {
    await appendAudit(
      db.pool,
      { userId: null, email, address },
      {
        action: "login_failed",
        targetKind: "user",
        targetId: null,
      },
    );
    throw new AppError("unauthorized", "The e-mail address or the password is wrong.", "password");
  }
  await throttles.perAccount.delete(email);
  const actor: Actor = { userId: user.id, email, address };
  await appendAudit(db.pool, actor, { action: "login", targetKind: "user", targetId: user.id });
  return user.id;
}

/** A new user with a wallet and the default balance; answers with its id. @throws AppError `registration_closed`, `conflict` */
export async function register(
  db: Database,
  throttles: Throttles,
  { email, password }: Credentials,
  address: string,
): Promise<string> {
  const settings = await readSettings(db);
  if (!settings.isRegistrationOpen) throw new AppError("registration_closed", "Registration is closed.");
  await consume(throttles, email, address);
  const passwordHash = await hashPassword(password);
  return createUser(db, {
    email,
    passwordHash,
    role: "user",
    balanceNanoUsd: BigInt(settings.defaultBalanceNanoUsd),
    address,
  });
}

type NewUser = {
  email: string;
  passwordHash: string;
  role: "owner" | "user";
  balanceNanoUsd: bigint;
  address: string;
};

async function createUser(db: Database, user: NewUser): Promise<string> {
  return inTransaction(db, (client) => insertUser(client, user));
}

/** Within a transaction of the caller's. @throws AppError `conflict` where the address is taken */
export async function insertUser(client: { query: Database["pool"]["query"] }, user: NewUser): Promise<string> {
  const [id, accountId] = [randomUUID(), randomUUID()];
  const inserted = await client.query(
    `INSERT INTO "user" (id, email, password_hash, role) VALUES ($1, $2, $3, $4) ON CONFLICT (email) DO NOTHING`,
    [id, user.email, user.passwordHash, user.role],
  );
  if (inserted.rowCount === 0) throw new AppError("conflict", "This e-mail address is registered already.", "email");
  await client.query("INSERT INTO account (id, kind, user_id) VALUES ($1, 'wallet', $2)", [accountId, id]);
  if (user.balanceNanoUsd > 0n) {
    const adjustmentId = randomUUID();
    await client.query(
      `INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid, note)
       VALUES ($1, $2, 'welcome', $3, $4, false, '')`,
      [adjustmentId, accountId, id, String(user.balanceNanoUsd)],
    );
    await client.query("SELECT credit($1, 'adjustment', $2, $3)", [
      accountId,
      adjustmentId,
      String(user.balanceNanoUsd),
    ]);
  }
  const actor: Actor = { userId: id, email: user.email, address: user.address };
  await appendAudit(client, actor, { action: "register", targetKind: "user", targetId: id });
  return id;
}
