/** A small database with every kind of row that money leaves behind, written the way that production writes it. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { deriveSecrets } from "../security/secrets.ts";
import { appendAudit } from "../audit/audit.ts";
import { createRedeemBatch, redeemCode } from "../redeem-codes/redeem-codes.ts";
import { updateKey } from "../api-keys/key-changes.ts";
import { createKey } from "../api-keys/keys.ts";
import { createAttemptLog } from "../calls/attempts.ts";
import { claimIdempotency, keepAnswer } from "../calls/idempotency.ts";
import {
  closeInstance,
  createLedger,
  openInstance,
  reapOrphans,
  renewLease,
  type Capture,
  type HoldOrder,
  type Ledger,
} from "@codex-gateway/ledger";
import { openPrice } from "../prices/open-price.ts";
import { refundCharge } from "../calls/refund.ts";
import { addResource } from "../resources/resources.ts";
import { readDailyUsage } from "../reports/statistics.ts";
import { adjustUserBalance, setUserLimits, setUserStatus } from "../identity/admin.ts";
import { createThrottles } from "../identity/throttles.ts";
import { recordDeadLetter, aCapture, aHold, aPayer, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { enterAsBefore } from "./rows-of-before.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
const noLimits = { allowedModels: [], allowedEndpoints: [], allowedAddresses: [] };

const actorOf = ({ userId }: Payer) => ({ userId, email: "admin@example.com", address: "127.0.0.1" });

async function settle(ledger: Ledger, order: HoldOrder, capture: Partial<Capture> = {}): Promise<string> {
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id, { upstreamId: randomUUID(), ...capture }));
  return order.id;
}

export async function fillEveryTable(db: Database): Promise<void> {
  const instance = await openInstance(db);
  const ledger = createLedger(db.pool, instance, { openPrice });
  const [admin, ann] = [await aPayer(db), await aPayer(db, { balanceNanoUsd: 100n * dollar })];
  const keys = await addKeys(db, ann);
  await enterAsBefore(db);
  await addCharges(db, { admin, ann, keys, ledger });
  await addDebt(db, { admin, ledger });
  await addTrueUps(db, ledger);
  await addCodes(db, admin);
  await ledger.hold(aHold(ann)); // under way
  await ledger.hold(aHold(ann, { apiKeyId: keys.limited }));
  const released = aHold(ann);
  await ledger.hold(released);
  await ledger.release(released.id);
  await recordDeadLetter(db, {
    holdId: released.id,
    instanceId: instance.id,
    line: Buffer.from("{}"),
    reason: "test",
    outcome: "unread",
  });
  const attempts = createAttemptLog(db);
  const attempt = { upstreamId: randomUUID(), outcome: "status", status: 500, mayBeBilled: false };
  attempts.note(released.id, [{ ...attempt, startedAtMs: Date.now(), endedAtMs: Date.now() }]);
  await attempts.idle();
  await addResource(db, { kind: "conversation", id: "conv_1", upstreamId: randomUUID(), ...ann });
  await limitAll(db, admin);
  await readDailyUsage(db, { userId: null, days: 1, timeZone: "UTC" }); // sums up the hours that have ended
}

async function addKeys(db: Database, owner: Payer): Promise<{ second: string; limited: string }> {
  const input = { userId: owner.userId, actor: actorOf(owner), keyPepper: secrets.keyPepper };
  const limits = { ...noLimits, requestsPerMinute: 1_000, tokensPerMinute: 1_000_000, concurrentRequests: 9 };
  const budgets = { dailyBudgetNanoUsd: 50n * dollar, monthlyBudgetNanoUsd: 60n * dollar };
  const second = await createKey(db, { ...input, name: "second" });
  const limited = await createKey(db, { ...input, name: "limited", limits: { ...limits, ...budgets } });
  return { second: second.key.id, limited: limited.key.id };
}

type Parts = { admin: Payer; ann: Payer; keys: { second: string; limited: string }; ledger: Ledger };

async function addCharges(db: Database, { admin, ann, keys, ledger }: Parts): Promise<void> {
  const named = aHold(ann);
  const claim = { apiKeyId: named.apiKeyId, key: "name", holdId: named.id };
  await claimIdempotency(db, { ...claim, bodyDigest: Buffer.alloc(32) });
  await settle(ledger, named);
  await keepAnswer(db, { ...claim, status: 200, contentType: "application/json", body: Buffer.from("{}") });
  await settle(ledger, aHold(ann, { apiKeyId: keys.second }), { serviceTier: "flex", isStream: true });
  await settle(ledger, aHold(ann, { apiKeyId: keys.limited, endpoint: "responses" }), {
    upstreamRequestId: "req_1",
    upstreamResponseId: "resp_1",
  });
  await settle(ledger, aHold(ann), { basis: "observed", flags: ["client_left"] });
  await settle(ledger, aHold(ann), { costNanoUsd: 0n, usage: { input: 0 } });
  const requestId = await settle(ledger, aHold(ann), { basis: "estimate", flags: ["no_usage"] });
  await refundCharge(db, { requestId, actor: actorOf(admin) });
}

/** A call that costs more than was held and than there is, and a payment that covers a part of the debt. */
async function addDebt(db: Database, { admin, ledger }: Pick<Parts, "admin" | "ledger">): Promise<void> {
  const dan = await aPayer(db, { balanceNanoUsd: 1_500_000n });
  await settle(ledger, aHold(dan, { amountNanoUsd: 1_000_000n }));
  const paid = { userId: dan.userId, amountNanoUsd: 100_000n, isPaid: true, note: "cash", formId: randomUUID() };
  await adjustUserBalance(db, { ...paid, actor: actorOf(admin) });
}

/** Of a process that was taken for dead: one charge that is corrected upwards, one that cost what was estimated. */
async function addTrueUps(db: Database, awake: Ledger): Promise<void> {
  const eve = await aPayer(db);
  const instance = await openInstance(db);
  const asleep = createLedger(db.pool, instance, { openPrice });
  const orders = [aHold(eve), aHold(eve)];
  for (const order of orders) await asleep.hold(order);
  await closeInstance(db, instance);
  await reapOrphans(db, awake);
  await renewLease(db, instance, null);
  await asleep.capture(aCapture(orders[0]!.id));
  await asleep.capture(aCapture(orders[1]!.id, { costNanoUsd: 25_000n, usage: { input: 25 } }));
}

/** As production leaves them: what limits a key or user was set by an act. */
async function limitAll(db: Database, admin: Payer): Promise<void> {
  const actor = actorOf(admin);
  // Nobody suspends himself.
  const operator = { userId: null, email: null, address: "" };
  const none = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
  const noBudgets = { dailyBudgetNanoUsd: null, monthlyBudgetNanoUsd: null };
  for (const { id } of await db.prisma.user.findMany()) {
    await setUserLimits(db, { userId: id, limits: none, actor });
    await setUserStatus(db, { userId: id, status: "suspended", actor: operator });
    await setUserStatus(db, { userId: id, status: "active", actor: operator });
  }
  for (const { id, userId } of await db.prisma.apiKey.findMany({ where: { name: "test" } })) {
    const policy = { ...none, ...noBudgets, ...noLimits, name: "test", expiresAt: new Date(Date.now() + 86_400_000) };
    const input = { userId, keyId: id, actor };
    await appendAudit(db.pool, actor, { action: "create_key", targetKind: "api_key", targetId: id, details: {} });
    await updateKey(db, { ...input, policy });
  }
}

/** A batch of which one code is redeemed, and one that runs out. */
async function addCodes(db: Database, admin: Payer): Promise<void> {
  const bob = await aPayer(db, { balanceNanoUsd: 0n });
  const batch = { amountNanoUsd: 10n * dollar, note: "spring", actor: actorOf(admin), pepper: secrets.keyPepper };
  const { codes } = await createRedeemBatch(db, { ...batch, count: 2, expiresAt: null });
  await createRedeemBatch(db, { ...batch, count: 1, expiresAt: new Date(Date.now() + 86_400_000) });
  await redeemCode(db, createThrottles(db), { typed: codes[0]!, actor: actorOf(bob), secrets });
}
