/**
 * Redeem codes: an admin makes a batch and hands the codes out; each is worth its amount once. A code is a secret worth
 * money, so only its hash is kept, and guesses are counted.
 */
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import type { Database, Queryable } from "@codex-gateway/db";
import { lockBalance, usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import { peppersOf, type Secrets } from "../security/secrets.ts";
import { recordAct, recordEvent, type Actor } from "../audit/audit.ts";
import { walletOf } from "../reports/charges.ts";
import { tooManyAttempts, type Throttles } from "../identity/throttles.ts";
import { readSettings } from "../settings/settings.ts";

/** Without 0, 1, I and O, which are misread. */
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const groups = 4;
const lettersPerGroup = 5;

/** `CG-` and 20 letters of 5 bits each. */
function createCode(): string {
  const bytes = randomBytes(groups * lettersPerGroup);
  const letters = Array.from(bytes, (byte) => alphabet[byte & 31]).join("");
  return inGroups(letters);
}

const inGroups = (letters: string): string => `CG-${(letters.match(/.{5}/g) ?? []).join("-")}`;

const hashOf = (code: string, pepper: Uint8Array): Buffer =>
  createHmac("sha256", pepper).update(`redeem-code:${code}`).digest();

/** Of all codes of a batch: `verify` compares it with those that are there. */
const digestOf = (hashes: Buffer[]): string =>
  createHash("sha256")
    .update(Buffer.concat(hashes.toSorted((one, other) => one.compare(other))))
    .digest("hex");

/** As people type it: any case, any spaces or dashes. Null where it cannot be a code. */
function normalized(typed: string): string | null {
  const letters = typed.toUpperCase().replace(/[^A-Z0-9]/g, "");
  const body = letters.startsWith("CG") && letters.length === 22 ? letters.slice(2) : letters;
  return /^[2-9A-HJ-NP-Z]{20}$/.test(body) ? inGroups(body) : null;
}

export type RedeemBatch = {
  id: string;
  amountUsd: string;
  codeCount: number;
  redeemedCount: number;
  note: string;
  expiresAt: Date | null;
  createdAt: Date;
};

/** The codes are answered here and never again. @throws AppError `invalid_input` below the minimum top-up */
export async function createRedeemBatch(
  db: Database,
  input: {
    amountNanoUsd: bigint;
    count: number;
    note: string;
    expiresAt: Date | null;
    actor: Actor & { userId: string };
    pepper: Uint8Array;
  },
): Promise<{ batchId: string; codes: string[] }> {
  const { amountNanoUsd, count, note, expiresAt, actor, pepper } = input;
  const minimum = BigInt((await readSettings(db)).minimumTopUpNanoUsd);
  if (amountNanoUsd < minimum) {
    throw new AppError("invalid_input", "The amount is below the minimum top-up in the settings.", "amountUsd");
  }
  const batchId = randomUUID();
  const codes = Array.from({ length: count }, createCode);
  const hashes = codes.map((code) => hashOf(code, pepper));
  return recordAct(db, actor, async (client) => {
    await client.query(
      `INSERT INTO redeem_batch (id, amount_nano_usd, code_count, note, expires_at, created_by) VALUES ($1, $2, $3, $4, $5, $6)`,
      [batchId, String(amountNanoUsd), count, note, expiresAt, actor.userId],
    );
    await client.query("INSERT INTO redeem_code (code_hash, batch_id) SELECT unnest($1::bytea[]), $2", [
      hashes,
      batchId,
    ]);
    return {
      act: {
        action: "create_codes",
        targetKind: "redeem_batch",
        targetId: batchId,
        before: null,
        after: { amountUsd: usdOf(amountNanoUsd), count, note, expiresAt: expiresAt?.toISOString() ?? null },
        details: { codesDigest: digestOf(hashes) },
      },
      result: { batchId, codes },
    };
  });
}

export async function listRedeemBatches(
  { pool }: Pick<Database, "pool">,
  { limit, offset }: { limit: number; offset: number },
): Promise<{ batches: RedeemBatch[]; total: number }> {
  type Row = {
    id: string;
    amount: bigint;
    code_count: number;
    redeemed: number;
    note: string;
    expires_at: Date | null;
    created_at: Date;
    total: bigint;
  };
  const { rows } = await pool.query<Row>(
    `SELECT b.id, b.amount_nano_usd AS amount, b.code_count, b.note, b.expires_at, b.created_at, count(*) OVER () AS total,
       (SELECT count(*)::int FROM redeem_code c WHERE c.batch_id = b.id AND c.redeemed_at IS NOT NULL) AS redeemed
     FROM redeem_batch b ORDER BY b.created_at DESC, b.id LIMIT $1 OFFSET $2`,
    [limit, offset],
  );
  const batches = rows.map((row) => ({
    id: row.id,
    amountUsd: usdOf(row.amount),
    codeCount: row.code_count,
    redeemedCount: row.redeemed,
    note: row.note,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  }));
  return { batches, total: Number(rows[0]?.total ?? 0n) };
}

type Redeemer = Actor & { userId: string };

/** Credits the code's amount to the user once, however many redeem it at once. @throws AppError `invalid_input`, `too_many_attempts` */
export async function redeemCode(
  db: Database,
  throttles: Throttles,
  { typed, actor, secrets }: { typed: string; actor: Redeemer; secrets: Secrets },
): Promise<{ amountUsd: string }> {
  await throttles.perRedeemer.consume(actor.userId).catch((error: unknown) => {
    throw tooManyAttempts(error, "code");
  });
  const code = normalized(typed);
  const hashes = code === null ? [] : peppersOf(secrets).map((pepper) => hashOf(code, pepper));
  const amountNanoUsd = await creditCode(db, hashes, actor);
  if (amountNanoUsd === null) {
    await recordEvent(db, actor, { action: "redeem_failed", targetKind: "user", targetId: actor.userId });
    throw new AppError("invalid_input", "This code is unknown, used or expired.", "code");
  }
  await throttles.perRedeemer.delete(actor.userId);
  return { amountUsd: usdOf(amountNanoUsd) };
}

/** Null where none of the hashes is a code that is still worth something. */
async function creditCode(db: Database, hashes: Buffer[], actor: Redeemer): Promise<bigint | null> {
  const accountId = await walletOf(db, actor.userId);
  return recordAct(db, actor, async (client) => {
    const before = await lockBalance(client, accountId);
    const taken = await client.query<{ amount: bigint; batch_id: string; code_hash: Buffer }>(
      `UPDATE redeem_code c SET redeemed_at = now(), redeemed_by = $2 FROM redeem_batch b
       WHERE c.code_hash = ANY ($1) AND c.redeemed_at IS NULL AND b.id = c.batch_id AND (b.expires_at IS NULL OR b.expires_at > now())
       RETURNING b.amount_nano_usd AS amount, c.batch_id, c.code_hash`,
      [hashes, actor.userId],
    );
    const row = taken.rows[0];
    if (!row) return { act: null, result: null };
    await topUp(client, { accountId, codeHash: row.code_hash, amount: row.amount });
    const after = await lockBalance(client, accountId);
    return {
      act: {
        action: "redeem_code",
        targetKind: "redeem_batch",
        targetId: row.batch_id,
        before: { balanceUsd: usdOf(before) },
        after: { balanceUsd: usdOf(after) },
        details: { amountUsd: usdOf(row.amount) },
      },
      result: row.amount,
    };
  });
}

type TopUp = { accountId: string; codeHash: Buffer; amount: bigint };

/** Credits a wallet that is locked; a debt is paid first. */
async function topUp(client: Queryable, { accountId, codeHash, amount }: TopUp): Promise<void> {
  const topUpId = randomUUID();
  await client.query(
    `INSERT INTO top_up (id, account_id, source, source_id, amount_nano_usd) VALUES ($1, $2, 'redeem_code', $3, $4)`,
    [topUpId, accountId, codeHash.toString("hex"), String(amount)],
  );
  const { rows } = await client.query<{ done: boolean }>("SELECT credit($1, 'top_up', $2, $3) AS done", [
    accountId,
    topUpId,
    String(amount),
  ]);
  if (rows[0]?.done !== true) throw new Error("The code's amount could not be credited.");
}
