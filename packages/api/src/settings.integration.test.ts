/** One button, one act: settings, first upstream and alerts are saved together or not at all. */
import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createContext, type Services } from "./context.ts";
import { createCaller } from "./root.ts";
import { servicesOn } from "./testing/services.ts";
import { faultOf } from "./trpc.ts";

let db: TestDatabase;
let services: Services;
let admin: ReturnType<typeof createCaller>["admin"];
beforeEach(async () => {
  db = await createTestDatabase();
  services = servicesOn(db);
  const request = { headers: new Headers(), address: "127.0.0.1", accessToken: null, setCookie: () => undefined };
  const context = await createContext(services, request);
  const user = { id: randomUUID(), email: "admin@example.com", role: "admin" } as const;
  admin = createCaller({ ...context, user }).admin;
});
afterEach(() => db.drop());

type Form = Parameters<typeof admin.settings.update>[0];

async function form(change: Partial<Form> = {}): Promise<Form> {
  const { upstream: _upstream, ...settings } = await admin.settings.get();
  const limits = { defaultRequestsPerMinute: null, defaultTokensPerMinute: null, defaultConcurrentRequests: null };
  const upstream = { baseUrl: "https://api.openai.com/v1", apiKey: "sk-not-a-real-key" };
  const alerts = { lowBalanceUsd: "1", webhookUrl: "", webhookSecret: "", smtpUrl: "", emailFrom: "", emailTo: "" };
  return { ...settings, ...limits, ...upstream, ...alerts, ...change };
}

const alerts = {
  webhookUrl: "https://hooks.example.com/alerts",
  webhookSecret: "a secret of the webhook",
  smtpUrl: "smtps://mailer:mail-password@mail.example.com",
  emailFrom: "gateway@example.com",
  emailTo: "boss@example.com",
};

/** All that a save may change. */
const stored = async () =>
  JSON.stringify([
    await db.prisma.setting.findMany({ orderBy: { key: "asc" } }),
    await db.prisma.upstream.findMany(),
    await db.prisma.auditLog.count(),
  ]);

test.each<[string, Partial<Form>, string[]]>([
  ["a webhook that is none", { webhookUrl: "gopher://example.com" }, ["webhookUrl"]],
  ["a private webhook", { webhookUrl: "https://10.0.0.1/" }, ["webhookUrl"]],
  ["a webhook without a secret", { webhookSecret: "" }, ["webhookSecret"]],
  ["a mail server that is none", { smtpUrl: "mail.example.com" }, ["smtpUrl"]],
  ["an e-mail address that is none", { emailTo: "nobody" }, ["emailTo"]],
  ["a base URL that is none", { baseUrl: "api.openai.com" }, ["baseUrl"]],
  ["no key for the first upstream", { apiKey: "" }, ["apiKey"]],
  ["a negative threshold", { lowBalanceUsd: "-1" }, ["lowBalanceUsd"]],
  ["a balance that is none", { defaultBalanceUsd: "much" }, ["defaultBalanceUsd"]],
  ["a limit of zero", { defaultRequestsPerMinute: 0 }, ["defaultRequestsPerMinute"]],
  [
    "faults of all kinds at once",
    { baseUrl: "x", apiKey: "", webhookUrl: "x", webhookSecret: "short", smtpUrl: "x", emailFrom: "x", emailTo: "x" },
    ["apiKey", "baseUrl", "emailFrom", "emailTo", "smtpUrl", "webhookSecret", "webhookUrl"],
  ],
])("of a form with %s nothing is stored, and each fault is told beside its field", async (_name, change, fields) => {
  const before = await stored();
  const input = await form({ ...alerts, announcement: "a new one", ...change });
  const error: unknown = await admin.settings.update(input).catch((fault: unknown) => fault);
  expect(Object.keys(faultOf(error)?.fields ?? {}).sort()).toEqual(fields);
  expect(await stored()).toBe(before);
});

test("alerts are checked by the settings that come with them: private addresses are allowed from now on, or no more", async () => {
  const private_ = { ...alerts, webhookUrl: "http://10.0.0.1/alerts" };
  await admin.settings.update(await form({ ...private_, allowsPrivateUpstreams: true }));
  expect(await admin.alerts.get()).toMatchObject({ webhookUrl: "http://10.0.0.1/alerts" });
  const refusal = admin.settings.update(await form({ ...private_, allowsPrivateUpstreams: false }));
  await expect(refusal).rejects.toMatchObject({ code: "BAD_REQUEST" });
  expect((await admin.settings.get()).allowsPrivateUpstreams).toBe(true);
});

test("what is left out of the alerts stays as it is, and what is as it was leaves no line", async () => {
  await admin.settings.update(await form(alerts));
  const { lowBalanceUsd, webhookUrl, webhookSecret, smtpUrl, emailFrom, emailTo, ...general } = await form();
  expect([lowBalanceUsd, webhookUrl, webhookSecret, smtpUrl, emailFrom, emailTo]).toHaveLength(6);
  await admin.settings.update({ ...general, announcement: "a new one" });
  expect(await admin.alerts.get()).toMatchObject({ hasWebhookSecret: true, hasSmtpUrl: true, emailTo: alerts.emailTo });
  const lines = () => db.prisma.auditLog.findMany({ orderBy: { id: "asc" } });
  expect((await lines()).at(-1)).toMatchObject({
    action: "update_settings",
    details: { before: { announcement: "" }, after: { announcement: "a new one" }, isWebhookSecretChanged: false },
  });
  const count = (await lines()).length;
  await admin.settings.update({ ...general, announcement: "a new one", apiKey: "" });
  expect(await lines()).toHaveLength(count);
});

test("two saves at once follow one another, each told with what it replaced", async () => {
  await admin.settings.update(await form());
  const announcements = ["one", "two", "three", "four"];
  const forms = await Promise.all(announcements.map((announcement) => form({ announcement, apiKey: "" })));
  await Promise.all(forms.map((each) => admin.settings.update(each)));
  const lines = await db.prisma.auditLog.findMany({ orderBy: { id: "asc" } });
  const told = lines.slice(1).map(({ details }) => details as Record<"before" | "after", { announcement: string }>);
  expect(told.map(({ before }) => before.announcement)).toEqual([
    "",
    ...told.slice(0, -1).map(({ after }) => after.announcement),
  ]);
});
