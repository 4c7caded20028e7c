import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { adjustBalance } from "@codex-gateway/ledger";
import { aPayer, breachesIn, dollar } from "@codex-gateway/ledger/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { deriveSecrets } from "../security/secrets.ts";
import { createThrottles, type Throttles } from "../identity/throttles.ts";
import { createRedeemBatch, listRedeemBatches, redeemCode } from "./redeem-codes.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
const pepper = secrets.keyPepper;
let db: TestDatabase;
let throttles: Throttles;
beforeAll(async () => {
  db = await createTestDatabase();
  throttles = createThrottles(db);
});
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

const actorOf = ({ userId }: { userId: string }) => ({ userId, email: "x@example.com", address: "127.0.0.1" });

async function aBatch(expiresAt: Date | null = null) {
  const admin = await aPayer(db);
  const batch = { amountNanoUsd: 10n * dollar, count: 2, note: "", expiresAt, actor: actorOf(admin), pepper };
  return createRedeemBatch(db, batch);
}

const redeem = (payer: { userId: string }, typed: string) =>
  redeemCode(db, throttles, { typed, actor: actorOf(payer), secrets });

test("of 100 at once, one redeems the code, and it is credited once", async () => {
  const { codes, batchId } = await aBatch();
  const payers = await Promise.all(Array.from({ length: 20 }, () => aPayer(db, { balanceNanoUsd: 0n })));
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => redeem(payers[n % 20]!, codes[0]!)));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const accounts = await db.prisma.account.findMany({
    where: { id: { in: payers.map(({ accountId }) => accountId) } },
  });
  expect(accounts.reduce((sum, { balanceNanoUsd }) => sum + balanceNanoUsd, 0n)).toBe(10n * dollar);
  const { batches } = await listRedeemBatches(db, { limit: 10, offset: 0 });
  expect(batches.find(({ id }) => id === batchId)).toMatchObject({ codeCount: 2, redeemedCount: 1 });
});

test("thirty codes and as many adjustments of one user at once all go through", async () => {
  const admin = await aPayer(db);
  const batch = { amountNanoUsd: 10n * dollar, count: 30, note: "", expiresAt: null, actor: actorOf(admin), pepper };
  const { codes } = await createRedeemBatch(db, batch);
  const payer = await aPayer(db, { balanceNanoUsd: 0n });
  // Each is counted as an attempt until it is known to be right.
  const perRedeemer = { consume: () => Promise.resolve(), delete: () => Promise.resolve(true) };
  const patient = { ...throttles, perRedeemer: perRedeemer as unknown as Throttles["perRedeemer"] };
  const adjustment = { accountId: payer.accountId, amountNanoUsd: dollar, source: "test", isPaid: true, note: "" };
  await Promise.all([
    ...codes.map((typed) => redeemCode(db, patient, { typed, actor: actorOf(payer), secrets })),
    ...codes.map((_code, n) => adjustBalance(db, { ...adjustment, sourceId: `redeem ${n}`, actorId: null })),
  ]);
  const { balanceNanoUsd } = await db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } });
  expect(balanceNanoUsd).toBe(330n * dollar);
});

test("a code is read in any case, with or without its dashes", async () => {
  const { codes } = await aBatch();
  const payer = await aPayer(db, { balanceNanoUsd: 0n });
  expect(await redeem(payer, ` ${codes[0]!.toLowerCase().replaceAll("-", " ")} `)).toEqual({
    amountUsd: "10.000000000",
  });
});

test("an expired code is worth nothing", async () => {
  const { codes } = await aBatch(new Date(Date.now() - 1_000));
  await expect(redeem(await aPayer(db), codes[0]!)).rejects.toMatchObject({ code: "invalid_input" });
});

test("guesses are counted: after ten of them the right code is not looked at either", async () => {
  const { codes } = await aBatch();
  const payer = await aPayer(db);
  for (let n = 0; n < 10; n++) {
    await expect(redeem(payer, "CG-AAAAA-AAAAA-AAAAA-AAAAA")).rejects.toMatchObject({ code: "invalid_input" });
  }
  await expect(redeem(payer, codes[0]!)).rejects.toMatchObject({ code: "too_many_attempts" });
});

test("below the minimum top-up no batch is made", async () => {
  const admin = await aPayer(db);
  const batch = { amountNanoUsd: 1n, count: 1, note: "", expiresAt: null, actor: actorOf(admin), pepper };
  await expect(createRedeemBatch(db, batch)).rejects.toMatchObject({ field: "amountUsd" });
});

test("neither the code nor its plain hash is in the database", async () => {
  const { codes } = await aBatch();
  const { rows } = await db.pool.query<{ found: boolean }>(
    "SELECT EXISTS (SELECT 1 FROM redeem_code WHERE code_hash = sha256($1::bytea)) AS found",
    [Buffer.from(codes[0]!)],
  );
  expect(rows[0]?.found).toBe(false);
});
