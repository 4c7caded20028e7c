import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { adjustBalance } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, dollar, type Payer } from "@codex-gateway/ledger/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deriveSecrets } from "../security/secrets.ts";
import { saveAdminSettings, withoutAlerts } from "../settings/admin-settings.ts";
import { settingsSchema, writeSettings } from "../settings/settings.ts";
import { saveUpstream } from "../upstreams/upstreams.ts";
import type { Alert } from "./alert.ts";
import { openAlertTargets, readAlertSettings } from "./alert-settings.ts";
import { noteDebts, readDebts } from "./debts.ts";
import { noteDelivery, readLastFailures, takeDeliveries } from "./deliveries.ts";
import { noteLog } from "./ledger-faults.ts";
import { noteLedgerVerdict } from "./ledger-verdict.ts";
import { noteLowBalances } from "./low-balances.ts";
import { noteUpstreams, type UpstreamSighting } from "./upstream-outages.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
  await writeSettings(db.pool, { alertWebhookUrl: "https://example.com/alerts", lowBalanceNanoUsd: String(dollar) });
});
afterEach(() => db.drop());

const move = (payer: Payer, amountNanoUsd: bigint) =>
  adjustBalance(db, {
    accountId: payer.accountId,
    amountNanoUsd,
    source: "test",
    sourceId: randomUUID(),
    isPaid: false,
    note: "",
    actorId: null,
  });

/** What was told since the last time, and by which channels it goes out. */
let seen = new Set<string>();
async function told(): Promise<Alert[]> {
  const alerts = await db.prisma.alert.findMany({ orderBy: { createdAt: "asc" } });
  const fresh = alerts.filter(({ id }) => !seen.has(id));
  seen = new Set(alerts.map(({ id }) => id));
  return fresh as unknown as Alert[];
}

/** The users whose low balance two processes, which look at the same time, have told. */
async function toldLow(): Promise<string[]> {
  await Promise.all([noteLowBalances(db), noteLowBalances(db)]);
  return (await told()).flatMap(({ facts }) => ("users" in facts ? facts.users.map(({ userId }) => userId) : []));
}

test("a low balance is told once per crossing, by whichever process sees it first", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: dollar * 2n });
  expect(await toldLow()).toEqual([]);
  await move(payer, -dollar - 1n);
  expect(await toldLow()).toEqual([payer.userId]);
  await move(payer, -dollar / 2n);
  expect(await toldLow()).toEqual([]);
  await move(payer, dollar / 4n);
  expect(await toldLow()).toEqual([]);
  await move(payer, dollar * 5n);
  expect(await toldLow()).toEqual([]);
  await move(payer, -dollar * 5n);
  expect(await toldLow()).toEqual([payer.userId]);
});

test("even a credit that is used up between two looks is a crossing of its own", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: dollar });
  await move(payer, -dollar / 2n);
  expect(await toldLow()).toEqual([payer.userId]);
  await move(payer, dollar);
  await move(payer, -dollar);
  expect(await toldLow()).toEqual([payer.userId]);
});

test("who never was above the threshold, and who is suspended, is no news", async () => {
  await aPayer(db, { balanceNanoUsd: 0n });
  await aPayer(db, { balanceNanoUsd: dollar - 1n });
  const suspended = await aPayer(db, { balanceNanoUsd: dollar * 2n });
  await move(suspended, -dollar * 2n);
  await db.prisma.user.update({ where: { id: suspended.userId }, data: { status: "suspended" } });
  expect(await toldLow()).toEqual([]);
});

test("a threshold that is moved tells those alone who cross the new one", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: dollar * 2n });
  await move(payer, (-dollar * 3n) / 2n);
  expect(await toldLow()).toEqual([payer.userId]);
  await writeSettings(db.pool, { lowBalanceNanoUsd: String(dollar * 2n) });
  expect(await toldLow()).toEqual([]);
  await writeSettings(db.pool, { lowBalanceNanoUsd: String(dollar / 4n) });
  expect(await toldLow()).toEqual([]);
  await move(payer, -dollar / 2n);
  expect(await toldLow()).toEqual([payer.userId]);
});

test("where nobody is to be told nothing is decided, and it is news once somebody is", async () => {
  await writeSettings(db.pool, { alertWebhookUrl: "" });
  const payer = await aPayer(db, { balanceNanoUsd: dollar * 2n });
  await move(payer, -dollar * 2n);
  expect(await toldLow()).toEqual([]);
  await writeSettings(db.pool, { alertEmailTo: "boss@example.com" });
  expect(await toldLow()).toEqual([payer.userId]);
  expect((await takeDeliveries(db)).map(({ channel }) => channel)).toEqual(["email"]);
});

const settleMs = 60;
const aSighting = (upstreamId: string, sighting: Partial<UpstreamSighting> = {}): UpstreamSighting => ({
  upstreamId,
  fault: null,
  answeredAgoMs: null,
  ...sighting,
});
const failing = { reason: "failing", status: 503, failedAgoMs: 1 } as const;
const anUpstream = () => saveUpstream(db.pool, secrets, { baseUrl: "https://api.example.com/v1", apiKey: "sk-hidden" });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("an upstream that is down is told once by two processes, and once when it is back", async () => {
  const id = await anUpstream();
  const kinds = async (...sightings: UpstreamSighting[]) => {
    await Promise.all(sightings.map((sighting) => noteUpstreams(db, [sighting], { settleMs })));
    return (await told()).map(({ kind }) => kind);
  };
  expect(await kinds(aSighting(id, { answeredAgoMs: 5 }))).toEqual([]);
  const down = aSighting(id, { fault: { reason: "key_refused", status: 401, failedAgoMs: 1 } });
  expect(await kinds(down, down)).toEqual(["upstream_down"]);
  // Another process still gets answers, but the failure is too fresh for a recovery.
  expect(await kinds(down, aSighting(id, { answeredAgoMs: 0 }))).toEqual([]);
  await pause(settleMs * 2);
  // No call has been made since: nobody knows that it is back.
  expect(await kinds(aSighting(id, { answeredAgoMs: settleMs * 10 }), aSighting(id))).toEqual([]);
  // A process that has had no call since the failure does not tell it anew.
  const stale = aSighting(id, { fault: { ...failing, failedAgoMs: settleMs * 2 } });
  const back = aSighting(id, { answeredAgoMs: 0 });
  expect(await kinds(back, back, stale)).toEqual(["upstream_recovered"]);
  expect(await kinds(back, stale)).toEqual([]);
  const [first] = await db.prisma.alert.findMany({ where: { kind: "upstream_down" } });
  expect(first?.facts).toEqual({
    upstreamId: id,
    name: "OpenAI",
    host: "api.example.com",
    reason: "key_refused",
    status: 401,
  });
});

test("an upstream that is switched off is no news any more", async () => {
  const id = await anUpstream();
  await noteUpstreams(db, [aSighting(id, { fault: failing })], { settleMs });
  expect(await told()).toHaveLength(1);
  await db.prisma.upstream.update({ where: { id }, data: { enabled: false } });
  await noteUpstreams(db, [aSighting(id, { fault: failing })], { settleMs });
  expect([await told(), await db.prisma.standingAlert.count()]).toEqual([[], 0]);
});

test("unsound books are told once, again when more breaks, and when they are sound again", async () => {
  const finding = (invariant: string, breaches: number) => ({ invariant, says: "…", checked: 9, breaches });
  const kinds = async (...findings: ReturnType<typeof finding>[]) => {
    await Promise.all([noteLedgerVerdict(db, findings), noteLedgerVerdict(db, findings)]);
    return (await told()).map(({ kind }) => kind);
  };
  expect(await kinds(finding("I1", 0), finding("I2", 0))).toEqual([]);
  expect(await kinds(finding("I1", 2), finding("I2", 0))).toEqual(["ledger_unsound"]);
  expect(await kinds(finding("I1", 3), finding("I2", 0))).toEqual([]);
  expect(await kinds(finding("I1", 3), finding("I2", 1))).toEqual(["ledger_unsound"]);
  expect(await kinds(finding("I1", 0), finding("I2", 0))).toEqual(["ledger_sound"]);
});

test("a log that cannot be written is told once, and when it can be written again", async () => {
  const [one, other] = [randomUUID(), randomUUID()];
  const kinds = async (instanceId: string, fault: string | null) => {
    await Promise.all([noteLog(db, { instanceId, fault }), noteLog(db, { instanceId, fault })]);
    return (await told()).map(({ kind, facts }) => [kind, facts]);
  };
  const reason = "ENOSPC: no space left on device";
  expect(await kinds(one, null)).toEqual([]);
  expect(await kinds(one, reason)).toEqual([["log_unwritable", { instanceId: one, reason }]]);
  expect(await kinds(one, reason)).toEqual([]);
  expect(await kinds(other, reason)).toEqual([["log_unwritable", { instanceId: other, reason }]]);
  expect(await kinds(one, null)).toEqual([["log_writable", { instanceId: one }]]);
  // The other one has died.
  await db.pool.query("UPDATE standing_alert SET last_seen_at = now() - interval '2 hours'");
  expect(await kinds(one, null)).toEqual([]);
  expect(await db.prisma.standingAlert.count()).toBe(0);
});

test("a delivery is taken by one of two processes, tried again after a pause, and over once delivered", async () => {
  const retryMs = 100;
  await noteLedgerVerdict(db, [{ invariant: "I1", says: "…", checked: 9, breaches: 1 }]);
  const take = async () =>
    (await Promise.all([takeDeliveries(db, { retryMs }), takeDeliveries(db, { retryMs })])).flat();
  const [first, ...others] = await take();
  expect([first?.channel, first?.attempts, others]).toEqual(["webhook", 1, []]);
  expect(await noteDelivery(db, first!, "The webhook answered with status 500.")).toBe(false);
  expect(await take()).toEqual([]);
  await pause(retryMs * 1.5);
  const [second] = await take();
  expect(second?.attempts).toBe(2);
  await noteDelivery(db, second!, null);
  await pause(retryMs * 2.5);
  expect(await take()).toEqual([]);
  expect(await noteDelivery(db, { ...second!, attempts: 16 }, "The webhook cannot be reached.")).toBe(true);
});

test("the last failure of a channel stays known, and whether a later delivery went well", async () => {
  const failures = async () => {
    const { webhook, email } = await readLastFailures(db);
    return [webhook && [webhook.fault, webhook.isOver], email];
  };
  expect(await failures()).toEqual([null, null]);
  for (const breaches of [1, 0]) await noteLedgerVerdict(db, [{ invariant: "I1", says: "…", checked: 9, breaches }]);
  const [first, second] = await takeDeliveries(db);
  await noteDelivery(db, first!, "The webhook answered with status 500.");
  expect(await failures()).toEqual([["The webhook answered with status 500.", false], null]);
  await noteDelivery(db, second!, null);
  expect(await failures()).toEqual([["The webhook answered with status 500.", true], null]);
  await noteDelivery(db, first!, null);
  expect(await failures()).toEqual([["The webhook answered with status 500.", true], null]);
  await noteDelivery(db, second!, "The webhook cannot be reached.");
  expect(await failures()).toEqual([["The webhook cannot be reached.", false], null]);
});

test("secrets are sealed, stay where nothing new is typed, and go with their address; the audit log names neither", async () => {
  const input = {
    lowBalanceNanoUsd: dollar,
    webhookUrl: "https://hooks.example.com/token-in-the-path",
    webhookSecret: "the-webhook-secret",
    smtpUrl: "smtps://mailer:mail-password@mail.example.com",
    emailFrom: "gateway@example.com",
    emailTo: "a@example.com, B@example.com",
  };
  const actor = { userId: null, email: "owner@example.com", address: "127.0.0.1" };
  const save = (change: Partial<typeof input> & object = {}) =>
    saveAdminSettings(db, secrets, {
      settings: withoutAlerts(settingsSchema.parse({})),
      upstream: { baseUrl: "https://api.example.com/v1", apiKey: null },
      alerts: { ...input, webhookSecret: null, smtpUrl: null, ...change },
      actor,
    });
  await anUpstream();
  await expect(save({ emailTo: "" })).rejects.toMatchObject({ field: "webhookSecret" });
  const faults = { webhookSecret: expect.any(String), smtpUrl: expect.any(String), emailFrom: expect.any(String) };
  await expect(save({ emailFrom: "" })).rejects.toMatchObject({ code: "invalid_input", fields: faults });
  await save(input);
  await save({ lowBalanceNanoUsd: 0n });
  expect(await openAlertTargets(db, secrets)).toEqual({
    webhook: { url: input.webhookUrl, secret: input.webhookSecret, isPrivateAllowed: false },
    email: {
      smtpUrl: input.smtpUrl,
      isTlsRequired: true,
      isPrivateAllowed: false,
      from: input.emailFrom,
      to: "a@example.com, b@example.com",
    },
  });
  for (const [change, field] of [
    [{ webhookUrl: "http://example.com/" }, "webhookUrl"],
    [{ webhookUrl: "https://10.0.0.1/" }, "webhookUrl"],
    [{ webhookUrl: "gopher://example.com" }, "webhookUrl"],
    [{ webhookSecret: "short" }, "webhookSecret"],
    [{ webhookUrl: "https://[::]/" }, "webhookUrl"],
    [{ webhookUrl: "https://0.0.0.0/" }, "webhookUrl"],
    [{ webhookUrl: "https://100.64.0.1/" }, "webhookUrl"],
    [{ webhookUrl: "https://[64:ff9b::7f00:1]/" }, "webhookUrl"],
    [{ smtpUrl: "smtp://127.0.0.1" }, "smtpUrl"],
    [{ smtpUrl: "smtp://[::]" }, "smtpUrl"],
    [{ smtpUrl: "smtps://a:%@mail.example.com" }, "smtpUrl"],
    [{ smtpUrl: "smtps://a:%0d%0aRSET@mail.example.com" }, "smtpUrl"],
    [{ smtpUrl: "smtps://mail.example.com/?proxy=socks5://10.0.0.1" }, "smtpUrl"],
    [{ emailTo: "nobody" }, "emailTo"],
    [{ emailFrom: "" }, "emailFrom"],
  ] as const) {
    await expect(save(change)).rejects.toMatchObject({ code: "invalid_input", field });
  }
  const lines = await db.prisma.auditLog.count();
  await save({ lowBalanceNanoUsd: 0n });
  expect(await db.prisma.auditLog.count()).toBe(lines);
  await save({ webhookUrl: "", emailTo: "" });
  expect(await readAlertSettings(db, secrets)).toMatchObject({ hasWebhookSecret: false, hasSmtpUrl: false });
  const audit = JSON.stringify(await db.prisma.auditLog.findMany({ select: { details: true } }));
  expect(audit).toContain("hooks.example.com");
  for (const secret of [input.webhookSecret, "mail-password", "token-in-the-path"]) expect(audit).not.toContain(secret);
});

test("a debt is told once, again when it has doubled, and anew when it was paid in between", async () => {
  const ledger = await aLedger(db);
  const payer = await aPayer(db, { balanceNanoUsd: 3_000n });
  const orders = Array.from({ length: 3 }, () => aHold(payer, { amountNanoUsd: 1_000n }));
  for (const order of orders) await ledger.hold(order);
  const charge = (id: string, costNanoUsd: bigint) =>
    ledger.capture(aCapture(id, { costNanoUsd, usage: { input: Number(costNanoUsd / 1_000n), output: 0 } }));
  const toldDebts = async () => {
    await Promise.all([noteDebts(db), noteDebts(db)]);
    return (await told()).flatMap(({ kind, facts }) => (kind === "debt" ? facts.users.map((u) => u.debtUsd) : []));
  };
  expect(await toldDebts()).toEqual([]);
  await charge(orders[0]!.id, 1_001_000n);
  expect(await toldDebts()).toEqual(["0.001000000"]);
  expect(await readDebts(db)).toEqual({ users: 1, totalNanoUsd: 1_000_000n });
  await charge(orders[1]!.id, 501_000n);
  expect(await toldDebts()).toEqual([]);
  await charge(orders[2]!.id, 2_001_000n);
  expect(await toldDebts()).toEqual(["0.003500000"]);
  await move(payer, dollar);
  expect(await readDebts(db)).toEqual({ users: 0, totalNanoUsd: 0n });
  expect(await toldDebts()).toEqual([]);
  const small = aHold(payer, { amountNanoUsd: 1_000n });
  await ledger.hold(small);
  await charge(small.id, dollar - 3_500_000n + 1_000n);
  expect(await toldDebts()).toEqual(["0.000001000"]);
});
