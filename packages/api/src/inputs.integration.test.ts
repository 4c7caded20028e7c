/** Whatever stands in whatever member of whatever procedure's input: it is taken or refused, and nothing breaks. */
import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { issueSetupToken, saveUpstream } from "@codex-gateway/domain";
import { TRPCError } from "@trpc/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { z } from "zod";
import { createContext, type Context, type Services } from "./context.ts";
import { appRouter, createCaller } from "./root.ts";
import { hostile, membersOf, rightInput, withValue } from "./testing/hostile-inputs.ts";
import { servicesOn } from "./testing/services.ts";

type Procedure = { _def: { inputs: z.ZodType[] } };
const procedures = (Object.entries(appRouter._def.procedures) as unknown as [path: string, Procedure][]).flatMap(
  ([path, { _def }]) => _def.inputs.map((schema) => [path, schema] as const),
);

let db: TestDatabase;
let services: Services;
let admin: Context;
let known: Record<string, () => unknown>;

beforeAll(async () => {
  db = await createTestDatabase();
  services = servicesOn(db);
  const cookies: string[] = [];
  const open = () =>
    createContext(services, {
      headers: new Headers({ cookie: cookies[0]?.split(";")[0] ?? "" }),
      address: "",
      accessToken: null,
      setCookie: (cookie) => cookies.push(cookie),
    });
  await createCaller(await open()).auth.register({ email: "admin@example.com", password: "password-of-test" });
  await db.prisma.user.updateMany({ data: { role: "admin" } });
  admin = await open();
  const { id } = admin.user!;
  const { key } = await createCaller(admin).keys.create({ name: "known" });
  const upstream = { baseUrl: "https://api.example.com/v1", apiKey: "sk-known-key" };
  const upstreamId = await saveUpstream(db.pool, services.secrets, upstream);
  const token = await issueSetupToken(db);
  known = {
    userId: () => id,
    keyId: () => key.id,
    id: () => upstreamId,
    masked: () => key.masked,
    token: () => token,
    formId: randomUUID,
    email: () => `${randomUUID()}@example.com`,
    apiKey: () => "sk-known-key",
  };
});
afterAll(() => db.drop());

async function codeOf(path: string, input: unknown): Promise<string> {
  // No guess may keep the next ones from being looked at.
  await db.pool.query("DELETE FROM throttle");
  const caller = createCaller({ ...admin, setCookie: () => undefined }) as unknown as Record<string, unknown>;
  const call = path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], caller);
  try {
    await (call as (input: unknown) => Promise<unknown>)(input);
    return "OK";
  } catch (error) {
    if (!(error instanceof TRPCError)) return `not ours: ${String(error)}`;
    return error.code === "INTERNAL_SERVER_ERROR" ? `${error.code}: ${error.message}` : error.code;
  }
}

test("there is an input for most procedures", () => {
  expect(procedures.length).toBeGreaterThan(25);
});

describe.each(procedures)("%s", (path, schema) => {
  test("breaks at no member", { timeout: 120_000 }, async () => {
    const broken: string[] = [];
    for (const member of membersOf(schema)) {
      for (const value of hostile) {
        const input = withValue(rightInput(schema, known), member, value);
        const code = await codeOf(path, input);
        if (!/^[A-Z_]+$/.test(code)) broken.push(`${member.join(".")} = ${show(value)}: ${code}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("takes no array, text or number for the whole of it", async () => {
    for (const whole of [[], "x", 7, null, [[]], { extra: 1 }]) {
      expect(await codeOf(path, whole)).toMatch(/^(?:OK|[A-Z_]+)$/);
    }
  });
});

const show = (value: unknown) => (typeof value === "string" ? JSON.stringify(value.slice(0, 30)) : typeof value);
