import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Ledger } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readKeyStatus } from "./key-status.ts";

let db: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
});
afterAll(() => db.drop());

/** A Saturday. */
const now = new Date("2026-11-28T10:00:00Z");

async function spend(payer: Payer, costNanoUsd: bigint, hour = now): Promise<void> {
  const order = aHold(payer, { amountNanoUsd: costNanoUsd });
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id, { costNanoUsd }));
  await db.pool.query(
    "UPDATE usage_rollup SET hour = date_trunc('hour', $2::timestamptz) WHERE account_id = $1 AND hour > $3",
    [payer.accountId, hour, new Date(Date.now() - 3_600_000 * 2)],
  );
}

test("what was spent is told by day, week and month in UTC, and in all", async () => {
  const payer = await aPayer(db);
  await spend(payer, 1n, new Date("2026-06-30T23:00:00Z"));
  await spend(payer, 20n, new Date("2026-11-01T00:00:00Z"));
  await spend(payer, 300n, new Date("2026-11-23T00:00:00Z"));
  await spend(payer, 4_000n, new Date("2026-11-28T00:00:00Z"));
  expect(await readKeyStatus(db, payer.apiKeyId, now)).toMatchObject({
    spentNanoUsd: { today: 4_000n, thisWeek: 4_300n, thisMonth: 4_320n, inAll: 4_321n },
    balanceNanoUsd: dollar - 4_321n,
    leftNanoUsd: dollar - 4_321n,
    budgets: { day: null, month: null },
  });
});

test.each([
  [2_000n, null, 1_500n],
  [null, 3_000n, 2_500n],
  [2_000n, 1_700n, 1_200n],
  [400n, null, 0n],
  [5n * dollar, null, dollar - 500n],
])("with a budget of %s a day and %s a month there are %s left", async (daily, monthly, left) => {
  const payer = await aPayer(db);
  await spend(payer, 500n);
  await db.prisma.apiKey.update({
    where: { id: payer.apiKeyId },
    data: { dailyBudgetNanoUsd: daily, monthlyBudgetNanoUsd: monthly },
  });
  const status = await readKeyStatus(db, payer.apiKeyId, now);
  expect(status.leftNanoUsd).toBe(left);
  expect(status.budgets.day?.resetsAt.toISOString() ?? null).toBe(daily === null ? null : "2026-11-29T00:00:00.000Z");
  expect(status.budgets.month?.resetsAt.toISOString() ?? null).toBe(
    monthly === null ? null : "2026-12-01T00:00:00.000Z",
  );
});
