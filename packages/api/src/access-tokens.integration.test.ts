import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { TimeSpan } from "oslo";
import { createJWT, parseJWT } from "oslo/jwt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createContext, type Services } from "./context.ts";
import { createCaller } from "./root.ts";
import { servicesOn } from "./testing/services.ts";

let db: TestDatabase;
let services: Services;
beforeAll(async () => {
  db = await createTestDatabase();
  services = servicesOn(db);
});
afterAll(() => db.drop());

/** Somebody who comes with a token, or with nothing. */
const as = (accessToken: string | null) =>
  createContext(services, { headers: new Headers(), address: "", accessToken, setCookie: () => undefined });
const callerAs = async (accessToken: string | null) => createCaller(await as(accessToken));

async function aScript() {
  const credentials = { email: `${randomUUID()}@example.com`, password: "password-of-test" };
  const anybody = await callerAs(null);
  await anybody.auth.register(credentials);
  const { token } = await anybody.auth.token(credentials);
  return { credentials, token, session: parseJWT(token)!.payload as { sid: string; sub: string } };
}

test("a token is an HS256 JWT of a quarter of an hour, by which its user is known", async () => {
  const { credentials, token } = await aScript();
  const { algorithm, expiresAt, issuedAt } = parseJWT(token)!;
  expect([algorithm, expiresAt!.getTime() - issuedAt!.getTime()]).toEqual(["HS256", 15 * 60_000]);
  expect((await as(token)).user?.email).toBe(credentials.email);
});

test("it ends with its session", async () => {
  const { token, session } = await aScript();
  const script = await callerAs(token);
  expect((await script.account.sessions()).filter(({ isCurrent }) => isCurrent)).toMatchObject([{ id: session.sid }]);
  await script.account.revokeSession({ sessionId: session.sid });
  expect((await as(token)).user).toBeNull();
});

test("it ends with the user's standing", async () => {
  const { token, session } = await aScript();
  await db.prisma.user.update({ where: { id: session.sub }, data: { status: "suspended" } });
  expect((await as(token)).user).toBeNull();
});

test("another token of the same session ends with it too", async () => {
  const { token, session } = await aScript();
  const renewed = await (await callerAs(token)).auth.renewToken();
  expect(parseJWT(renewed.token)!.payload).toMatchObject({ sid: session.sid });
  await (await callerAs(token)).auth.logout();
  expect((await as(renewed.token)).user).toBeNull();
});

test("it names its session in a way that is no cookie", async () => {
  const { session } = await aScript();
  expect((await services.sessions.validateSession(session.sid)).user).toBeNull();
});

test("what is expired, unsigned, signed by another key or for somebody else is nobody's", async () => {
  const { token, session } = await aScript();
  const { tokenKey } = services.secrets;
  const other = await aScript();
  const sign = (key: Uint8Array, subject: string, minutes = 15) =>
    createJWT(
      "HS256",
      key,
      { sid: session.sid },
      { issuer: "codex-gateway", subject, expiresIn: new TimeSpan(minutes, "m") },
    );
  const [header, payload] = token.split(".");
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
  const forged = [
    await sign(tokenKey, session.sub, -1),
    await sign(Buffer.alloc(32, 1), session.sub),
    await sign(tokenKey, other.session.sub),
    await createJWT("HS512", tokenKey, { sid: session.sid }, { issuer: "codex-gateway", subject: session.sub }),
    `${none}.${payload}.`,
    `${header}.${payload}`,
    "",
    "no token",
  ];
  for (const each of forged) expect((await as(each)).user).toBeNull();
  expect((await as(await sign(tokenKey, session.sub))).user).not.toBeNull();
});

test("a wrong password gives no token", async () => {
  const { credentials } = await aScript();
  const anybody = await callerAs(null);
  await expect(anybody.auth.token({ ...credentials, password: "another-password" })).rejects.toMatchObject({
    code: "UNAUTHORIZED",
  });
});
