import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { inputTokensOf, outputTokensOf, type Ledger } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, breachesIn, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { costNanoUsd } from "../prices/cost.ts";
import { openPrice } from "../prices/open-price.ts";
import { listUsage, readUsageTotals } from "./usage-report.ts";

let db: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
});
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db, openPrice)).toEqual([]);
});

/** A different power of two in each class: a sum says which of them it has. */
const everyClass = {
  input: 1,
  cached_input: 2,
  cache_write: 4,
  cache_write_30m: 8,
  cache_write_12h: 16,
  audio_input: 32,
  cached_audio_input: 64,
  image_input: 128,
  cached_image_input: 256,
  output: 512,
  audio_output: 1024,
  image_output: 2048,
  web_search_call: 4096,
};
const sums = { inputTokens: 511, outputTokens: 512 + 1024 + 2048 };
const prices = {
  bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: 1_000_000n, output: 2_000_000n } }],
  tiersPpm: {},
  markupPpm: 1_000_000n,
};
const priced = { usage: everyClass, costNanoUsd: costNanoUsd(prices, everyClass, null) };

async function capture(payer: Payer, amountNanoUsd: bigint): Promise<void> {
  const order = aHold(payer, { amountNanoUsd });
  expect(await ledger.hold(order)).toMatchObject({ outcome: "held" });
  expect(await ledger.capture(aCapture(order.id, priced))).toMatchObject({ didSettle: true });
}

const read = async ({ userId }: Payer) => {
  const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  const filter = { userId, fromDay: day(-1), toDay: day(1), timeZone: "UTC", model: null, apiKeyId: null };
  const [row] = await listUsage(db, filter, { limit: 1, offset: 0 });
  return { row, totals: await readUsageTotals(db, filter) };
};

test.each([
  ["that its hold covers", 50n * dollar],
  ["that costs more than its hold", 1_000n],
])("a charge %s counts the tokens of all classes, and no calls, in its row and in the sum of many", async (_, held) => {
  const payer = await aPayer(db, { balanceNanoUsd: 100n * dollar });
  await capture(payer, held);
  const { row, totals } = await read(payer);
  expect(row).toMatchObject({ ...sums, cachedTokens: 2 + 64 + 256 });
  expect(totals).toMatchObject({ requests: 1, ...sums });
});

test("a limit of tokens per minute counts them, too", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 100n * dollar });
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { tokensPerMinute: 1_000_000 } });
  await capture(payer, 50n * dollar);
  const { milliTokens } = await db.prisma.allowance.findUniqueOrThrow({ where: { subjectId: payer.apiKeyId } });
  expect(1_000_000_000n - milliTokens).toBe(1_000n * BigInt(sums.inputTokens + sums.outputTokens));
});

test.each(Object.entries(everyClass))("SQL counts %s where the price book does", async (unitClass, units) => {
  const usage = { [unitClass]: units };
  const { rows } = await db.pool.query("SELECT * FROM token_sums($1)", [JSON.stringify(usage)]);
  expect(rows).toEqual([{ input_tokens: BigInt(inputTokensOf(usage)), output_tokens: BigInt(outputTokensOf(usage)) }]);
});
