/** Every mutation there is, by the router itself: what it changes and its line in the audit log are one transaction. */
import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { issueSetupToken, openPrice } from "@codex-gateway/domain";
import { createLedger, openInstance } from "@codex-gateway/ledger";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createContext, type Context, type Services } from "./context.ts";
import { appRouter, createCaller } from "./root.ts";
import { servicesOn } from "./testing/services.ts";
import { watchWrites } from "./testing/watched-writes.ts";

let db: TestDatabase;
let services: Services;
let watched: Awaited<ReturnType<typeof watchWrites>>;
beforeAll(async () => {
  db = await createTestDatabase();
  services = servicesOn(db);
  watched = await watchWrites(db);
});
afterAll(() => db.drop());

type Person = { context: () => Promise<Context>; id: string; email: string; sessionId: string };
const password = "password-of-somebody";

/** Everybody comes from an address of their own: a test makes many attempts. */
async function contextOf(cookie: string): Promise<Context> {
  const address = `203.0.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}`;
  const headers = new Headers(cookie === "" ? {} : { cookie });
  return createContext(services, { headers, address, accessToken: null, setCookie: () => undefined });
}

async function aPerson(role: "user" | "admin" = "user"): Promise<Person> {
  const anybody = await contextOf("");
  const email = `${randomUUID()}@example.com`;
  let cookie = "";
  const setCookie = (text: string) => {
    if (text.startsWith("session=")) cookie = text.split(";")[0]!;
  };
  await createCaller({ ...anybody, setCookie }).auth.register({ email, password });
  const { id } = await db.prisma.user.update({ where: { email }, data: { role } });
  const context = () => contextOf(cookie);
  return { context, id, email, sessionId: (await context()).sessionId! };
}

const credentialsOf = ({ email }: Person) => ({ email, password });
const aNewAddress = () => `${randomUUID()}@example.com`;
const noLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
const upstream = { baseUrl: "https://api.openai.com/v1", apiKey: "sk-not-a-real-key" };
const anUpstream = { ...upstream, name: "second", weight: 1, isEnabled: true };

async function aKeyOf(person: Person) {
  const { key } = await createCaller(await person.context()).keys.create({ name: "laptop" });
  return { keyId: key.id, masked: key.masked };
}

async function aCode(admin: Person): Promise<string> {
  const batch = { amountUsd: "20", count: 1, note: "", lastDay: null };
  return (await createCaller(await admin.context()).admin.codes.create(batch)).codes[0]!;
}

/** One whose cost is an estimate. */
async function aChargeOf(person: Person): Promise<string> {
  const { id: accountId } = await db.prisma.account.findFirstOrThrow({ where: { userId: person.id } });
  const admin = createCaller(await (await aPerson("admin")).context());
  const formId = randomUUID();
  await admin.admin.users.adjustBalance({ userId: person.id, amountUsd: "5", isPaid: true, note: "", formId });
  const { keyId } = await aKeyOf(person);
  const [id, priceVersionId] = [randomUUID(), randomUUID()];
  await db.prisma.priceVersion.create({
    data: { id: priceVersionId, model: "test-model", prices: { bands: [], tiersPpm: {} }, source: "test" },
  });
  const ledger = createLedger(db.pool, await openInstance(db), { openPrice });
  const call = { id, accountId, apiKeyId: keyId, priceVersionId, endpoint: "chat.completions", model: "test-model" };
  await ledger.hold({
    ...call,
    inputTokensBound: 10,
    tokensBound: 20,
    amountNanoUsd: 1_000_000_000n,
    minAmountNanoUsd: null,
  });
  await ledger.capture({
    id,
    costNanoUsd: 2_000_000n,
    usage: { input: 1_000 },
    basis: "estimate",
    flags: [],
    servedModel: "test-model",
    serviceTier: null,
    upstreamId: null,
    upstreamRequestId: null,
    upstreamResponseId: null,
    status: 200,
    isStream: false,
    timeToFirstByteMs: 1,
    latencyMs: 2,
  });
  return id;
}

async function savedSettings(admin: Person) {
  const { upstream: _upstream, ...settings } = await createCaller(await admin.context()).admin.settings.get();
  const typed = {
    defaultRequestsPerMinute: settings.defaultRequestsPerMinute,
    defaultTokensPerMinute: settings.defaultTokensPerMinute,
    defaultConcurrentRequests: settings.defaultConcurrentRequests,
  };
  return { ...settings, ...typed, ...upstream, webhookUrl: "", emailTo: "" };
}

type World = { user: Person; admin: Person };
type Prepared = { as?: "user" | "admin"; input?: unknown };
/** What is asked, and the line that it leaves; null where it stores nothing. */
type Case = { leaves: string | null; prepare: (world: World) => Prepared | Promise<Prepared> };

const cases: Readonly<Record<string, Case>> = {
  "setup.checkToken": { leaves: null, prepare: async () => ({ input: { token: await issueSetupToken(db) } }) },
  "setup.testConnection": {
    leaves: "test_upstream",
    prepare: async () => ({ input: { token: await issueSetupToken(db), upstream } }),
  },
  "setup.complete": {
    leaves: "complete_setup",
    prepare: async () => ({
      input: {
        token: await issueSetupToken(db),
        owner: { email: aNewAddress(), password },
        upstream,
        announcement: "",
        defaultBalanceUsd: "1",
        isRegistrationOpen: true,
      },
    }),
  },
  "auth.login": { leaves: "login", prepare: ({ user }) => ({ input: credentialsOf(user) }) },
  "auth.register": { leaves: "register", prepare: () => ({ input: { email: aNewAddress(), password } }) },
  "auth.token": { leaves: "login", prepare: ({ user }) => ({ input: credentialsOf(user) }) },
  "auth.renewToken": { leaves: null, prepare: () => ({ as: "user" }) },
  "auth.logout": { leaves: "logout", prepare: () => ({ as: "user" }) },
  "dashboard.redeem": {
    leaves: "redeem_code",
    prepare: async ({ admin }) => ({ as: "user", input: { code: await aCode(admin) } }),
  },
  "keys.create": { leaves: "create_key", prepare: () => ({ as: "user", input: { name: "laptop" } }) },
  "keys.update": {
    leaves: "update_key",
    prepare: async ({ user }) => {
      const { keyId } = await aKeyOf(user);
      const lists = { allowedModels: [], allowedEndpoints: [], allowedAddresses: [] };
      const budgets = { dailyBudgetUsd: null, monthlyBudgetUsd: null, lastDay: null };
      return { as: "user", input: { keyId, name: "desk", ...noLimits, ...budgets, ...lists } };
    },
  },
  "keys.setStatus": {
    leaves: "disable_key",
    prepare: async ({ user }) => ({
      as: "user",
      input: { keyId: (await aKeyOf(user)).keyId, status: "disabled" },
    }),
  },
  "keys.rotate": {
    leaves: "rotate_key",
    prepare: async ({ user }) => ({ as: "user", input: { ...(await aKeyOf(user)), graceHours: 1 } }),
  },
  "keys.delete": {
    leaves: "delete_key",
    prepare: async ({ user }) => ({ as: "user", input: { keyId: (await aKeyOf(user)).keyId } }),
  },
  "account.revokeSession": {
    leaves: "revoke_session",
    prepare: ({ user }) => ({ as: "user", input: { sessionId: user.sessionId } }),
  },
  "account.changeEmail": {
    leaves: "change_email",
    prepare: () => ({ as: "user", input: { email: aNewAddress(), currentPassword: password } }),
  },
  "account.changePassword": {
    leaves: "change_password",
    prepare: () => ({ as: "user", input: { password: "another password", currentPassword: password } }),
  },
  "admin.users.setLimits": {
    leaves: "update_limits",
    prepare: ({ user }) => ({ as: "admin", input: { userId: user.id, ...noLimits, requestsPerMinute: 5 } }),
  },
  "admin.users.adjustBalance": {
    leaves: "update_balance",
    prepare: ({ user }) => ({
      as: "admin",
      input: { userId: user.id, amountUsd: "2", isPaid: true, note: "", formId: randomUUID() },
    }),
  },
  "admin.users.refundCharge": {
    leaves: "refund_charge",
    prepare: async ({ user }) => ({ as: "admin", input: { requestId: await aChargeOf(user) } }),
  },
  "admin.users.setStatus": {
    leaves: "update_status",
    prepare: ({ user }) => ({ as: "admin", input: { userId: user.id, status: "suspended" } }),
  },
  "admin.codes.create": {
    leaves: "create_codes",
    prepare: () => ({ as: "admin", input: { amountUsd: "20", count: 3, note: "", lastDay: null } }),
  },
  "admin.prices.change": {
    leaves: "update_price",
    prepare: () => ({
      as: "admin",
      input: {
        model: "house-model",
        bands: [{ aboveInputTokens: -1, usdPerMillion: { input: "1", output: "2" } }],
        markupPercent: 10,
        contextTokens: null,
        maxOutputTokens: null,
      },
    }),
  },
  "admin.prices.applyProposals": {
    leaves: "apply_prices",
    prepare: () => ({ as: "admin", input: { models: ["gpt-4o-mini"] } }),
  },
  "admin.prices.priceUnpriced": {
    leaves: "update_price",
    prepare: async ({ admin }) => {
      const model = await anUnpricedModel();
      const unpriced = await createCaller(await admin.context()).admin.prices.unpriced();
      const { suggestion } = unpriced.find((each) => each.model === model)!;
      return { as: "admin", input: { model, basedOn: suggestion!.basedOn } };
    },
  },
  "admin.prices.dismissUnpriced": {
    leaves: "dismiss_unpriced_model",
    prepare: async () => ({ as: "admin", input: { model: await anUnpricedModel() } }),
  },
  "admin.upstreams.put": {
    leaves: "create_upstream",
    prepare: () => ({ as: "admin", input: { id: null, ...anUpstream } }),
  },
  "admin.upstreams.delete": {
    leaves: "delete_upstream",
    prepare: async ({ admin }) => ({ as: "admin", input: { id: await anUpstreamBeside(admin) } }),
  },
  "admin.upstreams.test": {
    leaves: "test_upstream",
    prepare: async ({ admin }) => ({ as: "admin", input: { id: await anUpstreamBeside(admin) } }),
  },
  "admin.settings.update": {
    leaves: "update_settings",
    prepare: async ({ admin }) => ({
      as: "admin",
      input: { ...(await savedSettings(admin)), announcement: randomUUID(), lowBalanceUsd: "3" },
    }),
  },
  "admin.alerts.test": {
    leaves: "test_alert",
    prepare: () => ({
      as: "admin",
      input: {
        channel: "webhook",
        lowBalanceUsd: "1",
        webhookUrl: "https://example.com/alerts",
        webhookSecret: "a secret of the webhook",
        smtpUrl: "",
        emailFrom: "",
        emailTo: "",
      },
    }),
  },
};

/** Somebody has asked for it, and there is one like it that has a price. */
async function anUnpricedModel(): Promise<string> {
  const model = `house-model-${randomUUID()}`;
  await db.pool.query("INSERT INTO unpriced_model (model, requests) VALUES ($1, 1)", [model]);
  const prices = { bands: [{ aboveInputTokens: -1, picoUsdPerUnit: { input: "1", output: "2" } }], tiersPpm: {} };
  await db.prisma.priceVersion.create({
    data: { id: randomUUID(), model: "house-model-base", prices, source: "test" },
  });
  return model;
}

/** One of two, so that it can go. */
async function anUpstreamBeside(admin: Person): Promise<string> {
  const { upstreams } = createCaller(await admin.context()).admin;
  for (const name of ["one", "other"]) await upstreams.put({ id: null, ...anUpstream, name });
  return (await upstreams.list()).at(-1)!.id;
}

const procedures = Object.entries(appRouter._def.procedures) as unknown as [
  path: string,
  procedure: { _def: { type: "query" | "mutation" } },
][];
const mutations = procedures.filter(([, { _def }]) => _def.type === "mutation").map(([path]) => path);

async function call(path: string, { user, admin }: World, { as, input }: Prepared): Promise<unknown> {
  const person = as && { user, admin }[as];
  const caller = createCaller(await (person?.context() ?? contextOf("")));
  const procedure = path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], caller);
  return (procedure as (given?: unknown) => Promise<unknown>)(input);
}

test("each mutation of the router is asked here", () => {
  expect(Object.keys(cases).sort()).toEqual([...mutations].sort());
});

describe.each(mutations)("%s", (path) => {
  const { leaves, prepare } = cases[path]!;

  test("leaves one line, in the one transaction that changes anything", async () => {
    const world = { user: await aPerson(), admin: await aPerson("admin") };
    const prepared = await prepare(world);
    await watched.take();
    if (leaves === null) {
      await call(path, world, prepared);
      expect(await watched.take()).toEqual([]);
      return;
    }
    for (const how of ["refuse", "die"] as const) {
      await watched.withoutLines(how, async () => {
        await expect(call(path, world, prepared), how).rejects.toThrow();
      });
      expect(await watched.take(), how).toEqual([]);
    }
    await call(path, world, prepared);
    const written = await watched.take();
    expect(written).toHaveLength(1);
    expect(written[0]!.filter((name) => name === "audit_log")).toHaveLength(1);
    const line = await db.prisma.auditLog.findFirstOrThrow({ orderBy: { id: "desc" } });
    expect(line.action).toBe(leaves);
    // A test changes nothing but the log; every other act says what was before and what is after.
    const isEvent = leaves.startsWith("test_");
    expect(written[0]!.length > 1).toBe(!isEvent);
    expect(isEvent || ["before", "after"].every((name) => name in (line.details as object))).toBe(true);
  });
});

test("what is refused leaves its line as well: wrong passwords, and codes that are none", async () => {
  const user = await aPerson();
  const caller = createCaller(await user.context());
  const wrong = { currentPassword: "not the password" };
  const attempts = [
    ["wrong_password", () => caller.account.changePassword({ password: "another password", ...wrong })],
    ["wrong_password", () => caller.account.changeEmail({ email: aNewAddress(), ...wrong })],
    ["login_failed", () => caller.auth.login({ email: user.email, password: "not the password" })],
    ["login_failed", () => caller.auth.token({ email: aNewAddress(), password })],
    ["redeem_failed", () => caller.dashboard.redeem({ code: "CG-AAAAA-AAAAA-AAAAA-AAAAA" })],
  ] as const;
  for (const [action, attempt] of attempts) {
    await watched.take();
    await expect(attempt()).rejects.toThrow();
    expect(await watched.take(), action).toEqual([["audit_log"]]);
    expect(await db.prisma.auditLog.findFirst({ orderBy: { id: "desc" } })).toMatchObject({ action });
  }
});

test("a test that fails leaves its line, with why", async () => {
  const admin = await aPerson("admin");
  const id = await anUpstreamBeside(admin);
  const fault = { message: "The upstream refuses this key.", field: "apiKey" } as const;
  const context = { ...(await admin.context()), testUpstream: () => Promise.resolve(fault) };
  await expect(createCaller(context).admin.upstreams.test({ id })).rejects.toMatchObject({ code: "BAD_REQUEST" });
  const line = await db.prisma.auditLog.findFirst({ orderBy: { id: "desc" } });
  expect(line).toMatchObject({
    action: "test_upstream",
    targetId: id,
    details: { isGood: false, fault: fault.message },
  });
});
