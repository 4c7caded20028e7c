/** What a script does: a token for a password, the typed procedures with it, and nothing once its session is revoked. */
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anyPorts } from "./demo-folder.ts";

let demo: RunningDemo;
beforeAll(async () => void (demo = await startDemo(anyPorts)));
afterAll(() => demo.stop());

const post = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${demo.web}/api/auth/token`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const listKeys = (headers: Record<string, string>) => fetch(`${demo.web}/api/trpc/keys.list`, { headers });
const createKey = (headers: Record<string, string>) =>
  fetch(`${demo.web}/api/trpc/keys.create`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ name: "by a script" }),
  });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test("a script logs in, works with its token, renews it, and is out once its session is revoked", async () => {
  const response = await post(demo.user);
  const { access_token, token_type, expires_in } = (await response.json()) as Record<string, string>;
  expect([response.status, token_type, expires_in, response.headers.get("set-cookie")]).toEqual([
    200,
    "Bearer",
    900,
    null,
  ]);
  expect((await createKey(bearer(access_token!))).status).toBe(200);
  const renewed = ((await (await post(null, bearer(access_token!))).json()) as Record<string, string>).access_token!;
  expect((await listKeys(bearer(renewed))).status).toBe(200);
  const sessions = await demo.userSession.api.account.sessions.query();
  const [scripts] = sessions.filter(({ isCurrent }) => !isCurrent);
  await demo.userSession.api.account.revokeSession.mutate({ sessionId: scripts!.id });
  expect((await listKeys(bearer(renewed))).status).toBe(401);
  expect((await post(null, bearer(renewed))).status).toBe(401);
});

test("a wrong password, no body and another method get no token", async () => {
  const statuses = await Promise.all([
    post({ ...demo.user, password: "a-wrong-password" }),
    post(null),
    fetch(`${demo.web}/api/auth/token`),
  ]);
  expect(statuses.map(({ status }) => status)).toEqual([401, 400, 405]);
});

test("a cookie gets no token, and beside a token it does not count", async () => {
  const cookie = demo.userSession.cookie();
  expect((await post(null, { cookie })).status).toBe(400);
  expect((await listKeys({ cookie })).status).toBe(200);
  expect((await listKeys({ cookie, ...bearer("not-a-token") })).status).toBe(401);
});

test("another site's request is refused although the cookie is right", async () => {
  const cookie = demo.userSession.cookie();
  expect((await createKey({ cookie, origin: "https://evil.example", "sec-fetch-site": "cross-site" })).status).toBe(
    403,
  );
  expect((await createKey({ cookie })).status).toBe(403);
  expect((await createKey({ cookie, origin: demo.web })).status).toBe(200);
});
