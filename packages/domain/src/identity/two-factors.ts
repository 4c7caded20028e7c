/**
 * A second factor beside the password: time-based one-time passwords (RFC 6238) of an app, and recovery codes for who has
 * lost it. A one-time password is taken once: the newest step that was used is kept, and no earlier one counts any more.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import { base32 } from "oslo/encoding";
import { createTOTPKeyURI, generateHOTP } from "oslo/otp";
import { AppError } from "../app-error.ts";
import { recordAct, type Act, type Actor } from "../audit/audit.ts";
import { decrypt, encrypt, type Secrets } from "../security/secrets.ts";
import { withPassword, type OfAccount, type Owner } from "./account.ts";
import { lockManagedUser } from "./managed-user.ts";
import type { Throttles } from "./throttles.ts";

const issuer = "Codex Gateway";
const secretBytes = 20;
const stepSeconds = 30;
/** How far a clock may be off, in steps. */
const driftSteps = 1;
const pendingMinutes = 15;
const recoveryCodeCount = 10;

/** With which row the secret is encrypted, so that it cannot be moved to another user's. */
export const totpRowId = (userId: string): string => `totp:${userId}`;

export async function hasTwoFactors(client: Queryable, userId: string): Promise<boolean> {
  const { rowCount } = await client.query("SELECT 1 FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL", [
    userId,
  ]);
  return rowCount !== 0;
}

export type TwoFactorState = {
  isOn: boolean;
  recoveryCodesLeft: number;
  /** What the app is to be given, until it has shown that it has it. */
  pending: { secret: string; uri: string } | null;
};

export async function readTwoFactors(
  { pool }: Pick<Database, "pool">,
  secrets: Secrets,
  { userId, email }: { userId: string; email: string },
): Promise<TwoFactorState> {
  const { rows } = await pool.query<{ secret: Buffer; confirmed_at: Date | null; codes: number; is_fresh: boolean }>(
    `SELECT t.secret_ciphertext AS secret, t.confirmed_at, t.created_at > now() - $2::int * interval '1 minute' AS is_fresh,
       (SELECT count(*)::int FROM recovery_code c WHERE c.user_id = t.user_id) AS codes
     FROM totp t WHERE t.user_id = $1`,
    [userId, pendingMinutes],
  );
  const [row] = rows;
  if (!row) return { isOn: false, recoveryCodesLeft: 0, pending: null };
  if (row.confirmed_at) return { isOn: true, recoveryCodesLeft: row.codes, pending: null };
  if (!row.is_fresh) return { isOn: false, recoveryCodesLeft: 0, pending: null };
  const secret = decrypt(row.secret, secrets.encryptionKey, totpRowId(userId));
  return { isOn: false, recoveryCodesLeft: 0, pending: { secret, uri: uriOf(email, secret) } };
}

const uriOf = (email: string, secret: string): string =>
  createTOTPKeyURI(issuer, email, base32.decode(secret, { strict: false }));

type Account = OfAccount & { secrets: Secrets };

const ofUser = ({ userId }: Owner, act: Omit<Act, "targetKind" | "targetId">): Act => ({
  ...act,
  targetKind: "user",
  targetId: userId,
});

/** Makes a secret that counts once `confirmTwoFactors` has seen it work. @throws AppError as `withPassword`, `conflict` where it is on */
export async function beginTwoFactors(db: Database, throttles: Throttles, { secrets, ...of }: Account): Promise<void> {
  const { actor } = of;
  const secret = base32.encode(randomBytes(secretBytes), { includePadding: false });
  const sealed = encrypt(secret, secrets.encryptionKey, totpRowId(actor.userId));
  const begin = () =>
    recordAct(db, actor, async (client) => {
      const { rowCount } = await client.query(
        `INSERT INTO totp AS t (user_id, secret_ciphertext) VALUES ($1, $2)
         ON CONFLICT (user_id) DO UPDATE SET secret_ciphertext = excluded.secret_ciphertext, created_at = now(), last_step = 0
           WHERE t.confirmed_at IS NULL`,
        [actor.userId, sealed],
      );
      if (rowCount === 0) throw new AppError("conflict", "Two factors are on already.");
      return { act: ofUser(actor, { action: "begin_two_factors", before: null, after: null }), result: undefined };
    });
  return withPassword(db, throttles, of, { action: "begin_two_factors", work: begin });
}

/** Answers the recovery codes, which are shown here and never again. @throws AppError `invalid_input` at `code` */
export async function confirmTwoFactors(
  db: Database,
  { code, secrets, actor }: { code: string; secrets: Secrets; actor: Owner },
): Promise<{ recoveryCodes: string[] }> {
  return recordAct(db, actor, async (client) => {
    const { rows } = await client.query<{ secret: Buffer }>(
      `SELECT secret_ciphertext AS secret FROM totp WHERE user_id = $1 AND confirmed_at IS NULL
         AND created_at > now() - $2::int * interval '1 minute' FOR UPDATE`,
      [actor.userId, pendingMinutes],
    );
    const [row] = rows;
    if (!row) throw new AppError("invalid_input", "The set-up of two factors has expired. Start it again.", "code");
    const step = await matchingStep(decrypt(row.secret, secrets.encryptionKey, totpRowId(actor.userId)), code);
    if (step === null) throw wrongCode();
    await client.query("UPDATE totp SET confirmed_at = now(), last_step = $2 WHERE user_id = $1", [actor.userId, step]);
    const recoveryCodes = await replaceRecoveryCodes(client, actor.userId);
    const after = { recoveryCodes: recoveryCodes.length };
    return { act: ofUser(actor, { action: "enable_two_factors", before: null, after }), result: { recoveryCodes } };
  });
}

/** Those before it end. @throws AppError as `withPassword`, `conflict` where two factors are off */
export async function renewRecoveryCodes(
  db: Database,
  throttles: Throttles,
  of: OfAccount,
): Promise<{ recoveryCodes: string[] }> {
  const { actor } = of;
  const renew = () =>
    recordAct(db, actor, async (client) => {
      if (!(await hasTwoFactors(client, actor.userId))) throw new AppError("conflict", "Two factors are off.");
      const left = await countRecoveryCodes(client, actor.userId);
      const recoveryCodes = await replaceRecoveryCodes(client, actor.userId);
      const [before, after] = [{ recoveryCodes: left }, { recoveryCodes: recoveryCodes.length }];
      return { act: ofUser(actor, { action: "renew_recovery_codes", before, after }), result: { recoveryCodes } };
    });
  return withPassword(db, throttles, of, { action: "renew_recovery_codes", work: renew });
}

/** What is off stays off. @throws AppError as `withPassword` */
export async function disableTwoFactors(db: Database, throttles: Throttles, of: OfAccount): Promise<void> {
  const disable = () => recordAct(db, of.actor, (client) => removeTwoFactors(client, of.actor.userId));
  return withPassword(db, throttles, of, { action: "disable_two_factors", work: disable });
}

/** For a user who has lost app and codes. @throws AppError `not_found`, `forbidden` */
export async function removeUserTwoFactors(
  db: Database,
  { userId, actor }: { userId: string; actor: Actor },
): Promise<void> {
  await recordAct(db, actor, async (client) => {
    await lockManagedUser(client, { userId, actor }, { isOwnAllowed: false });
    return removeTwoFactors(client, userId);
  });
}

async function removeTwoFactors(client: Queryable, userId: string): Promise<{ act: Act | null; result: undefined }> {
  const left = await countRecoveryCodes(client, userId);
  await client.query("DELETE FROM recovery_code WHERE user_id = $1", [userId]);
  const { rowCount } = await client.query("DELETE FROM totp WHERE user_id = $1", [userId]);
  if (rowCount === 0) return { act: null, result: undefined };
  return {
    act: {
      action: "disable_two_factors",
      targetKind: "user",
      targetId: userId,
      before: { recoveryCodes: left },
      after: null,
    },
    result: undefined,
  };
}

export const wrongCode = () => new AppError("invalid_input", "The code is wrong or was used already.", "code");

/** Takes a one-time password or a recovery code, each once, within the caller's transaction; null where it is neither. */
export async function takeSecondFactor(
  client: Queryable,
  secrets: Secrets,
  { userId, code }: { userId: string; code: string },
): Promise<"one_time_password" | "recovery_code" | null> {
  const { rows } = await client.query<{ secret: Buffer; last_step: bigint }>(
    "SELECT secret_ciphertext AS secret, last_step FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL FOR UPDATE",
    [userId],
  );
  const [row] = rows;
  if (!row) return null;
  const step = await matchingStep(decrypt(row.secret, secrets.encryptionKey, totpRowId(userId)), code);
  if (step !== null) {
    if (BigInt(step) <= row.last_step) return null;
    await client.query("UPDATE totp SET last_step = $2 WHERE user_id = $1", [userId, step]);
    return "one_time_password";
  }
  const { rowCount } = await client.query("DELETE FROM recovery_code WHERE code_hash = $1 AND user_id = $2", [
    hashRecoveryCode(code),
    userId,
  ]);
  return rowCount === 0 ? null : "recovery_code";
}

/** The step whose one-time password this is, now or next to it; null where it is none. */
async function matchingStep(secret: string, typed: string): Promise<number | null> {
  const code = Buffer.from(typed.replace(/\s/g, ""));
  const key = base32.decode(secret, { strict: false });
  const now = Math.floor(Date.now() / 1_000 / stepSeconds);
  let found: number | null = null;
  for (let step = now - driftSteps; step <= now + driftSteps; step++) {
    const expected = Buffer.from(await generateHOTP(key, step));
    if (code.length === expected.length && timingSafeEqual(code, expected)) found = step;
  }
  return found;
}

/** Without 0, 1, I and O, which are misread; 16 letters of 5 bits each. */
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const codeLetters = 16;

function createRecoveryCode(): string {
  const letters = Array.from(randomBytes(codeLetters), (byte) => alphabet[byte & 31]).join("");
  return (letters.match(/.{4}/g) ?? []).join("-");
}

/** As people type it: any case, any spaces or dashes. */
function hashRecoveryCode(typed: string): Buffer {
  const letters = typed.toUpperCase().replace(/[^A-Z0-9]/g, "");
  return createHash("sha256").update(`recovery-code:${letters}`).digest();
}

async function countRecoveryCodes(client: Queryable, userId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM recovery_code WHERE user_id = $1",
    [userId],
  );
  return rows[0]?.count ?? 0;
}

async function replaceRecoveryCodes(client: Queryable, userId: string): Promise<string[]> {
  const codes = Array.from({ length: recoveryCodeCount }, createRecoveryCode);
  await client.query("DELETE FROM recovery_code WHERE user_id = $1", [userId]);
  await client.query("INSERT INTO recovery_code (code_hash, user_id) SELECT unnest($1::bytea[]), $2", [
    codes.map(hashRecoveryCode),
    userId,
  ]);
  return codes;
}
