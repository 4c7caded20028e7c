/** Builders for tests of money: a user with a funded wallet, a key and a price; a ledger; and whether the books are sound. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { adjustBalance } from "../credit.ts";
import { openInstance, type Instance } from "../durability/instance.ts";
import { createLedger, type Capture, type HoldOrder, type Ledger, type LedgerOptions } from "../ledger.ts";
import type { OpenPrice } from "../stored-price.ts";
import { inputTokensOf, outputTokensOf } from "../usage-units.ts";
import { verifyLedger } from "../verify/verify.ts";

export { recordDeadLetter } from "../durability/dead-letters.ts";

export const dollar = 1_000_000_000n;

export type Payer = { userId: string; accountId: string; apiKeyId: string; priceVersionId: string };

/** USD 1 per million input tokens, USD 2 per million output tokens. */
const testPrices = {
  bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: "1000000", output: "2000000" } }],
  tiersPpm: {},
};

/** What `testPrices` come to, whatever lies in the row: no test of the ledger alone has others. */
export const openTestPrice: OpenPrice = () => (usage) =>
  1_000n * BigInt(inputTokensOf(usage)) + 2_000n * BigInt(outputTokensOf(usage));

export async function aPayer(db: Database, { balanceNanoUsd = dollar } = {}): Promise<Payer> {
  const [userId, accountId, apiKeyId, priceVersionId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await db.prisma.user.create({ data: { id: userId, email: `${userId}@example.com`, passwordHash: "-" } });
  await db.prisma.account.create({ data: { id: accountId, kind: "wallet", userId } });
  await db.prisma.apiKey.create({
    data: { id: apiKeyId, userId, name: "test", prefix: "sk-cg-", lastFour: "0000", secretHash: Buffer.from(apiKeyId) },
  });
  await db.prisma.priceVersion.create({
    data: { id: priceVersionId, model: "test-model", prices: testPrices, source: "test" },
  });
  if (balanceNanoUsd > 0n) {
    await adjustBalance(db, {
      accountId,
      amountNanoUsd: balanceNanoUsd,
      source: "test",
      sourceId: accountId,
      isPaid: true,
      note: "",
      actorId: null,
    });
  }
  return { userId, accountId, apiKeyId, priceVersionId };
}

/** Like the gateway's: a uuid v7, which rises with time. */
export function aRequestId(): string {
  const hex = Date.now().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${randomUUID().slice(15)}`;
}

export const aHold = (payer: Payer, order: Partial<HoldOrder> = {}): HoldOrder => ({
  id: aRequestId(),
  accountId: payer.accountId,
  apiKeyId: payer.apiKeyId,
  priceVersionId: payer.priceVersionId,
  endpoint: "chat.completions",
  model: "test-model",
  inputTokensBound: 100,
  tokensBound: 200,
  amountNanoUsd: dollar / 10n,
  minAmountNanoUsd: null,
  ...order,
});

/** 1 000 input and 500 output tokens: 2 000 000 nano-USD. */
export const aCapture = (id: string, capture: Partial<Capture> = {}): Capture => ({
  id,
  costNanoUsd: 2_000_000n,
  usage: { input: 1_000, output: 500 },
  basis: "exact",
  flags: [],
  servedModel: "test-model",
  serviceTier: null,
  upstreamId: null,
  upstreamRequestId: null,
  upstreamResponseId: null,
  status: 200,
  isStream: false,
  timeToFirstByteMs: 10,
  latencyMs: 20,
  ...capture,
});

/** Of that process. */
export const aLedgerOf = (pool: Database["pool"], instance: Instance, options?: Partial<LedgerOptions>): Ledger =>
  createLedger(pool, instance, { openPrice: openTestPrice, ...options });

/** Of a process of its own, which lives. */
export const aLedger = async (db: Database, options?: Partial<LedgerOptions>): Promise<Ledger> =>
  aLedgerOf(db.pool, await openInstance(db), options);

/** The findings that are wrong; empty where the books are sound. */
export const breachesIn = async (db: Database, openPrice = openTestPrice) =>
  (await verifyLedger(db, openPrice)).filter(({ breaches }) => breaches > 0);
