import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { SessionUser } from "@codex-gateway/domain";
import { TRPCError } from "@trpc/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createContext, type Context, type Services } from "./context.ts";
import { appRouter, createCaller } from "./root.ts";
import { servicesOn } from "./testing/services.ts";

let db: TestDatabase;
let services: Services;
beforeAll(async () => {
  db = await createTestDatabase();
  services = servicesOn(db);
});
afterAll(() => db.drop());

type Role = "anonymous" | "user" | "suspended" | "admin";
const procedures = Object.entries(appRouter._def.procedures) as unknown as [
  path: string,
  procedure: { _def: { meta?: { kind: "public" | "user" | "admin" }; type: "query" | "mutation" } },
][];

/** A request with a real session's cookie, so that the whole way from the cookie to the guard is asked. */
async function contextAs(role: Role): Promise<Context> {
  const headers = new Headers();
  if (role !== "anonymous") {
    const id = randomUUID();
    await db.prisma.user.create({
      data: { id, email: `${id}@example.com`, passwordHash: "-", role: role === "admin" ? "admin" : "user" },
    });
    await db.prisma.account.create({ data: { id: randomUUID(), kind: "wallet", userId: id } });
    const session = await services.sessions.createSession(id, { userAgent: "", address: "" });
    if (role === "suspended") await db.prisma.user.update({ where: { id }, data: { status: "suspended" } });
    headers.set("cookie", services.sessions.createSessionCookie(session.id).serialize().split(";")[0]!);
  }
  return createContext(services, { headers, address: "127.0.0.1", accessToken: null, setCookie: () => undefined });
}

/** The guard's word: calls go without input, so that whoever passes the guard is refused by the input's schema or answered. */
async function guardOf(path: string, role: Role): Promise<"refused" | "passed"> {
  const context = await contextAs(role);
  const caller = createCaller(context) as unknown as Record<string, unknown>;
  const call = path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], caller);
  try {
    await (call as (input?: unknown) => Promise<unknown>)();
    return "passed";
  } catch (error) {
    const isGuard = error instanceof TRPCError && ["UNAUTHORIZED", "FORBIDDEN"].includes(error.code) && !error.cause;
    return isGuard ? "refused" : "passed";
  }
}

const allowed: Record<"public" | "user" | "admin", readonly Role[]> = {
  public: ["anonymous", "user", "suspended", "admin"],
  user: ["user", "admin"],
  admin: ["admin"],
};

test("every procedure says whose it is", () => {
  expect(procedures.length).toBeGreaterThan(12);
  expect(procedures.filter(([, { _def }]) => !_def.meta).map(([path]) => path)).toEqual([]);
});

describe.each(procedures)("%s", (path, { _def: { meta } }) => {
  test.each<Role>(["anonymous", "user", "suspended", "admin"])("asked by %s", async (role) => {
    const isAllowed = meta !== undefined && allowed[meta.kind].includes(role);
    expect(await guardOf(path, role)).toBe(isAllowed ? "passed" : "refused");
  });
});

test("another user's key is not found", async () => {
  const [mine, theirs] = [await contextAs("user"), await contextAs("user")];
  const { key } = await createCaller(theirs).keys.create({ name: "theirs" });
  const keyId = key.id;
  const nothing = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
  const noBudget = { dailyBudgetUsd: null, monthlyBudgetUsd: null, lastDay: null };
  const policy = { ...nothing, ...noBudget, allowedModels: [], allowedEndpoints: [], allowedAddresses: [] };
  const { keys } = createCaller(mine);
  const attempts = await Promise.allSettled([
    keys.update({ keyId, name: "mine", ...policy }),
    keys.setStatus({ keyId, status: "disabled" }),
    keys.rotate({ keyId, masked: key.masked, graceHours: 0 }),
    keys.delete({ keyId }),
  ]);
  expect(attempts).toMatchObject(Array(4).fill({ reason: { code: "NOT_FOUND" } }));
  expect(await createCaller(mine).keys.list()).toEqual([]);
  expect(await createCaller(theirs).keys.list()).toHaveLength(1);
});

test("unknown members of an input are refused", async () => {
  const { keys } = createCaller(await contextAs("user"));
  const input = { name: "x", userId: randomUUID() } as { name: string };
  await expect(keys.create(input)).rejects.toMatchObject({ code: "BAD_REQUEST" });
});

test("a key is kept to endpoints that are served, and to no others", async () => {
  const context = { ...(await contextAs("user")), endpoints: ["rankings"] };
  const { keys } = createCaller(context);
  expect(await keys.endpoints()).toEqual(["rankings"]);
  const { key } = await keys.create({ name: "x", allowedEndpoints: ["rankings"] });
  expect(key.limits.allowedEndpoints).toEqual(["rankings"]);
  const refused = keys.create({ name: "x", allowedEndpoints: ["rankings", "responses"] });
  await expect(refused).rejects.toMatchObject({ cause: { field: "allowedEndpoints" } });
});

test("every input is an object that refuses what it does not know", () => {
  type Schema = { _zod: { def: { type: string; catchall?: { _zod: { def: { type: string } } } } } };
  const inputs = procedures.flatMap(([path, { _def }]) =>
    (_def as unknown as { inputs: Schema[] }).inputs.map((schema) => [path, schema._zod.def] as const),
  );
  expect(inputs.length).toBeGreaterThan(25);
  const loose = inputs.filter(([, def]) => def.type !== "object" || def.catchall?._zod.def.type !== "never");
  expect(loose.map(([path]) => path)).toEqual([]);
});

test("a hundred tries from one address, to get in or to register, are enough for a quarter of an hour", async () => {
  const context = { ...(await contextAs("anonymous")), address: "203.0.113.7" };
  await context.throttles.perAddress.penalty(context.address, 99);
  const stranger = createCaller(context);
  const credentials = () => ({ email: `${randomUUID()}@example.com`, password: "password-of-somebody" });
  await expect(stranger.auth.login(credentials())).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  await expect(stranger.auth.login(credentials())).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
  await expect(stranger.auth.register(credentials())).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
  const elsewhere = createCaller({ ...context, address: "203.0.113.8" });
  await expect(elsewhere.auth.register(credentials())).resolves.toEqual({ isDone: true });
});

test("the same balance form counts once", async () => {
  const admin = createCaller(await contextAs("admin"));
  const user = (await contextAs("user")).user as SessionUser;
  const form = { userId: user.id, amountUsd: "1.5", isPaid: false, note: "", formId: randomUUID() };
  await Promise.all([1, 2, 3].map(() => admin.admin.users.adjustBalance(form)));
  const { users } = await admin.admin.users.list({ search: user.email });
  expect(users).toMatchObject([{ balanceUsd: "1.500000000" }]);
});
