import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Capture, Ledger } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, breachesIn, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { refundCharge } from "./refund.ts";

let db: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
});
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

const actor = { userId: randomUUID(), email: "admin@example.com", address: "127.0.0.1" };
const refund = (requestId: string) => refundCharge(db, { requestId, actor });
const balanceOf = async (payer: Payer) =>
  (await db.prisma.account.findUniqueOrThrow({ where: { id: payer.accountId } })).balanceNanoUsd;

async function aCharge(payer: Payer, capture: Partial<Capture>, amountNanoUsd = dollar / 10n): Promise<string> {
  const order = aHold(payer, { amountNanoUsd });
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id, capture));
  return order.id;
}

test("a charge that is not exact is given back once, however often it is clicked", async () => {
  const payer = await aPayer(db);
  const id = await aCharge(payer, { basis: "orphan" });
  expect(await balanceOf(payer)).toBe(dollar - 2_000_000n);
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => refund(id)));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await balanceOf(payer)).toBe(dollar);
  expect(await db.prisma.auditLog.findMany({ where: { targetId: payer.userId } })).toMatchObject([
    { action: "refund_charge", details: { requestId: id, amountUsd: "0.002000000" } },
  ]);
  // The charge itself is the record of what was used, and stays.
  expect(await db.prisma.charge.count({ where: { holdId: id } })).toBe(1);
});

test("what became a debt is paid with the refund first", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: 1_000_000n });
  const id = await aCharge(payer, { basis: "estimate" }, 1_000_000n);
  const debt = () => db.prisma.account.findFirstOrThrow({ where: { userId: payer.userId, kind: "receivable" } });
  expect([await balanceOf(payer), (await debt()).balanceNanoUsd]).toEqual([0n, 1_000_000n]);
  expect(await refund(id)).toEqual({ amountUsd: "0.002000000" });
  expect([await balanceOf(payer), (await debt()).balanceNanoUsd]).toEqual([1_000_000n, 0n]);
});

test("an exact charge, a charge of nothing and an unknown one are not given back", async () => {
  const payer = await aPayer(db);
  const exact = await aCharge(payer, {});
  const free = await aCharge(payer, { basis: "observed", costNanoUsd: 0n, usage: {} });
  for (const id of [exact, free]) await expect(refund(id)).rejects.toMatchObject({ code: "conflict" });
  await expect(refund(randomUUID())).rejects.toMatchObject({ code: "not_found" });
});
