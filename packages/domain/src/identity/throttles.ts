/** How often somebody may try, counted in PostgreSQL, so that all processes count together. */
import type { Database } from "@codex-gateway/db";
import pg from "pg";
import { RateLimiterPostgres, RateLimiterRes } from "rate-limiter-flexible";
import { AppError } from "../app-error.ts";
import { createPasswordGate, type PasswordGate } from "./password-gate.ts";

export type Throttles = {
  passwords: PasswordGate;
  /** Wrong passwords for one account from one network, browser or session. */
  perClient: RateLimiterPostgres;
  /** Wrong passwords from one network, for whatever accounts. */
  perAddress: RateLimiterPostgres;
  /** Wrong passwords from one /48 of IPv6. */
  perSite: RateLimiterPostgres;
  /** Wrong passwords for one account by strangers from anywhere, before they are slowed down. */
  perAccount: RateLimiterPostgres;
  /** Then one at a time, with a pause that grows. */
  perAccountSlow: RateLimiterPostgres;
  /** Registrations from one network, right ones too. */
  perRegistrant: RateLimiterPostgres;
  perRedeemer: RateLimiterPostgres;
};

const windowSeconds = 900;

export function createThrottles({ pool }: Pick<Database, "pool">): Throttles {
  // The limiter counts in numbers, whereas the pool reads int8, which is money elsewhere, as bigint.
  const storeClient = { query: (config: pg.QueryConfig) => pool.query({ ...config, types: pg.types }) };
  const perWindow = (keyPrefix: string, points: number) =>
    new RateLimiterPostgres({
      storeClient,
      storeType: "client",
      tableName: "throttle",
      tableCreated: true,
      // A job of its own sees to that.
      clearExpiredByTimeout: false,
      keyPrefix,
      points,
      duration: windowSeconds,
    });
  return {
    passwords: createPasswordGate(),
    perClient: perWindow("login-client", 10),
    perAddress: perWindow("login-address", 100),
    perSite: perWindow("login-site", 1_000),
    perAccount: perWindow("login-account", 10),
    perAccountSlow: perWindow("login-slow", 1),
    perRegistrant: perWindow("register", 100),
    perRedeemer: perWindow("redeem", 10),
  };
}

/** What a limiter rejected with, as the caller is told; what is no refusal stays as it is. */
export function tooManyAttempts(refusal: unknown, field: string | null = null): unknown {
  if (!(refusal instanceof RateLimiterRes)) return refusal;
  const seconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1_000));
  return new AppError("too_many_attempts", "Too many attempts. Try again in a quarter of an hour.", field, seconds);
}

/** Forgets what was counted for an account, so that its owner can try again at once. */
export async function forgetAttempts(client: Pick<Database["pool"], "query">, email: string): Promise<void> {
  await client.query("DELETE FROM throttle WHERE key = ANY ($1) OR starts_with(key, $2)", [
    [`login-account:${email}`, `login-slow:${email}`],
    `login-client:${email}|`,
  ]);
}

/** Takes away counters whose time is over. */
export async function forgetExpiredAttempts({ pool }: Pick<Database, "pool">): Promise<void> {
  await pool.query("DELETE FROM throttle WHERE expire < $1", [Date.now()]);
}
