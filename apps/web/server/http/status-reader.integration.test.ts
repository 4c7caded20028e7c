import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { aPayer, dollar } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStatusReader } from "./status-reader.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

const callerOf = ({ apiKeyId, userId, accountId }: Awaited<ReturnType<typeof aPayer>>) => ({
  apiKeyId,
  userId,
  accountId,
  safetyIdentifier: "",
  allowedModels: [],
});

test("what a key has left is told in cents, its budgets as windows", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 4n * dollar + 379_999_999n });
  await db.prisma.apiKey.update({ where: { id: payer.apiKeyId }, data: { monthlyBudgetNanoUsd: 100n * dollar } });
  const now = Date.UTC(2026, 10, 28, 10);
  expect(await createStatusReader(db, () => now)(callerOf(payer))).toEqual({
    leftUsd: "4.37",
    hasLeft: true,
    windows: [{ usedPercent: 0, minutes: 43_200, resetsAtMs: Date.UTC(2026, 11, 1) }],
  });
});

test("it is read once in five seconds, and null where it cannot be", async () => {
  const payer = await aPayer(db);
  let asked = 0;
  let nowMs = Date.now();
  const pool = {
    query: (text: string, values: unknown[]) => {
      asked++;
      return db.pool.query(text, values);
    },
  } as unknown as typeof db.pool;
  const read = createStatusReader({ pool }, () => nowMs);
  await Promise.all([read(callerOf(payer)), read(callerOf(payer))]);
  expect(asked).toBe(1);
  nowMs += 5_001;
  expect(await read(callerOf(payer))).toMatchObject({ leftUsd: "1.00" });
  expect(asked).toBe(2);
  const silent = { query: () => new Promise(() => undefined) } as unknown as typeof db.pool;
  expect(await createStatusReader({ pool: silent })(callerOf(payer))).toBeNull();
});
