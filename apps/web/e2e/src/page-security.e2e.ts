/** The rules of the pages' door, asked as an attacker would: other sites' requests, guesses, cookies, inputs. */
import { randomUUID } from "node:crypto";
import { createPerson, startDemo, startGatewayProcess, type RunningDemo } from "@codex-gateway/demo";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anyPorts, demoFolder } from "./demo-folder.ts";
import { freePort } from "./free-port.ts";

let demo: RunningDemo;
beforeAll(async () => void (demo = await startDemo(anyPorts)), 60_000);
afterAll(() => demo.stop());

type Sent = { headers?: Record<string, string>; body?: string; method?: string; web?: string };

const send = (address: string, { headers = {}, body, method = "POST", web = demo.web }: Sent = {}) =>
  fetch(web + address, {
    method,
    headers: { origin: web, ...headers },
    redirect: "manual",
    ...(body === undefined ? {} : { body }),
  });

const asJson = { "content-type": "application/json" };
const asForm = { "content-type": "application/x-www-form-urlencoded" };

describe("a request of another site", () => {
  const actions = [
    "/login",
    "/register",
    "/logout",
    "/preferences",
    "/dashboard",
    "/api-keys",
    "/account",
    "/admin/users",
  ];
  const strange: Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ];

  test.each([...actions, "/admin/settings", "/api/trpc/auth.logout", "/api/trpc/keys.create"])(
    "%s refuses it, whoever's cookie it carries",
    async (address) => {
      for (const headers of strange) {
        const cookie = demo.ownerSession.cookie();
        const response = await send(address, { headers: { ...asForm, cookie, ...headers }, body: "name=x" });
        expect(response.status, JSON.stringify(headers)).toBe(403);
      }
    },
  );

  test("without any origin is refused too; a page's own is let in", async () => {
    const bare = await fetch(`${demo.web}/preferences`, {
      method: "POST",
      body: new URLSearchParams({ theme: "dark" }),
    });
    expect(bare.status).toBe(403);
    expect((await send("/preferences", { headers: asForm, body: "theme=dark" })).status).toBe(302);
  });
});

describe("tRPC", () => {
  test("changes nothing by GET", async () => {
    const cookie = demo.userSession.cookie();
    const input = encodeURIComponent(JSON.stringify({ name: "by GET" }));
    const response = await send(`/api/trpc/keys.create?input=${input}`, { method: "GET", headers: { cookie } });
    expect(response.status).toBe(405);
  });

  test("takes JSON alone: what a plain form can send is refused", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const response = await send("/api/trpc/auth.logout", { headers: { "content-type": type }, body: "{}" });
      expect(response.status, type).toBe(415);
    }
  });

  test("takes ten calls in one batch, not eleven", async () => {
    const batch = (size: number) => `/api/trpc/${Array(size).fill("auth.me").join(",")}?batch=1&input={}`;
    expect((await send(batch(10), { method: "GET" })).status).toBe(200);
    expect((await send(batch(11), { method: "GET" })).status).toBe(400);
  });
});

async function logIn(email: string, password: string) {
  const startedAtMs = performance.now();
  const response = await send("/api/trpc/auth.login", { headers: asJson, body: JSON.stringify({ email, password }) });
  const body = await response.text();
  return {
    status: response.status,
    body,
    cookies: response.headers.getSetCookie(),
    tookMs: performance.now() - startedAtMs,
  };
}

async function aUser(): Promise<{ email: string; password: string; userId: string }> {
  const person = createPerson(demo.web);
  const credentials = { email: `${randomUUID()}@example.com`, password: "password-of-somebody" };
  await person.api.auth.register.mutate(credentials);
  return { ...credentials, userId: (await person.api.auth.me.query())?.id ?? "" };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

test("unknown, wrong and suspended get the same answer after the same time", async () => {
  const [known, suspended] = [await aUser(), await aUser()];
  await demo.ownerSession.api.admin.users.setStatus.mutate({ userId: suspended.userId, status: "suspended" });
  const tries = {
    unknown: () => logIn(`${randomUUID()}@example.com`, known.password),
    wrong: () => logIn(known.email, "not the password"),
    suspended: () => logIn(suspended.email, suspended.password),
  };
  const answers = new Set<string>();
  const times: Record<string, number[]> = {};
  for (let n = 0; n < 7; n++) {
    for (const [name, attempt] of Object.entries(tries)) {
      const { status, body, cookies, tookMs } = await attempt();
      answers.add(JSON.stringify([status, body, cookies]));
      (times[name] ??= []).push(tookMs);
    }
  }
  expect([...answers]).toHaveLength(1);
  expect([...answers][0]).toContain("401");
  const medians = Object.values(times).map(median);
  expect(Math.max(...medians) / Math.min(...medians), JSON.stringify(times)).toBeLessThan(2);
}, 60_000);

test("the form says of all three the same, word for word", async () => {
  const [known, suspended] = [await aUser(), await aUser()];
  await demo.ownerSession.api.admin.users.setStatus.mutate({ userId: suspended.userId, status: "suspended" });
  const pages = new Set<string>();
  for (const [email, password] of [
    [`${randomUUID()}@example.com`, known.password],
    [known.email, "not the password"],
    [suspended.email, suspended.password],
  ] as const) {
    const response = await send("/login", {
      headers: asForm,
      body: new URLSearchParams({ email, password }).toString(),
    });
    const page = (await response.text()).replaceAll(email, "").replace(/nonce="[^"]*"|"nonce":"[^"]*"/g, "");
    pages.add(`${response.status} ${page}`);
  }
  expect([...pages]).toHaveLength(1);
});

test("the eleventh guess at an account waits, at each door and in words, but not for the browser of its owner", async () => {
  const { email, password } = await aUser();
  const { cookies } = await logIn(email, password);
  const ownBrowser = cookies.find((cookie) => cookie.startsWith("browser="))?.split(";")[0] ?? "";
  expect(cookies.join("\n")).toMatch(/^browser=.*HttpOnly.*SameSite=Lax/m);
  for (let n = 0; n < 10; n++) expect((await logIn(email, `guess number ${n}`)).status).toBe(401);
  const body = JSON.stringify({ email, password });
  const form = new URLSearchParams({ email, password }).toString();
  const doors = {
    procedure: await send("/api/trpc/auth.login", { headers: asJson, body }),
    token: await send("/api/auth/token", { headers: asJson, body }),
    form: await send("/login", { headers: { ...asForm, "accept-language": "en" }, body: form }),
  };
  for (const [door, response] of Object.entries(doors)) {
    expect(response.status, door).toBe(429);
    expect(await response.text(), door).toContain("Too many attempts");
    expect(Number(response.headers.get("retry-after")), door).toBeGreaterThan(0);
  }
  const inForm = await send("/login", { headers: { ...asForm, cookie: ownBrowser }, body: form });
  expect([inForm.status, inForm.headers.get("location")]).toEqual([302, "/"]);
});

test("at most two attempts of one account are under way at once; the others are told so at once, in words", async () => {
  const { email } = await aUser();
  const outcomes = await Promise.all(Array.from({ length: 12 }, (_, n) => logIn(email, `guess number ${n}`)));
  const refused = outcomes.filter(({ status, body }) => status === 429 && body.includes("Too many attempts at once"));
  expect(refused.length).toBeGreaterThan(0);
  expect(outcomes.every(({ status }) => status === 401 || status === 429)).toBe(true);
});

test.each([
  ["email", () => ({ email: `${randomUUID()}@example.com` })],
  ["password", () => ({ password: "another password" })],
] as const)(
  "a new %s ends every session, and the browser that set it goes on with a new one",
  async (intent, change) => {
    const { email, password } = await aUser();
    const cookieOf = (cookies: string[]) => cookies.map((cookie) => cookie.split(";")[0]).join("; ");
    const [here, there] = [
      cookieOf((await logIn(email, password)).cookies),
      cookieOf((await logIn(email, password)).cookies),
    ];
    const body = new URLSearchParams({ intent, currentPassword: password, ...change() }).toString();
    const answer = await send("/account", { headers: { ...asForm, cookie: here }, body });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, `/account?changed=${intent}`]);
    const renewed = cookieOf(answer.headers.getSetCookie());
    const pageOf = async (cookie: string) => (await send("/account", { method: "GET", headers: { cookie } })).status;
    expect([await pageOf(renewed), await pageOf(here), await pageOf(there)]).toEqual([200, 302, 302]);
  },
);

test("the eleventh guess at a code waits a quarter of an hour, even a right one", async () => {
  const { codes } = await demo.ownerSession.api.admin.codes.create.mutate({
    amountUsd: "20",
    count: 1,
    note: "",
    lastDay: null,
  });
  const person = createPerson(demo.web);
  await person.api.auth.register.mutate({ email: `${randomUUID()}@example.com`, password: "password-of-somebody" });
  const redeem = (code: string) =>
    person.api.dashboard.redeem.mutate({ code }).then(
      () => "credited",
      (error: unknown) => (error as { data: { code: string } }).data.code,
    );
  for (let n = 0; n < 10; n++) expect(await redeem("CG-AAAAA-AAAAA-AAAAA-AAAAA")).toBe("BAD_REQUEST");
  expect(await redeem(codes[0]!)).toBe("TOO_MANY_REQUESTS");
});

const startFresh = (port: number, publicUrl: string) =>
  startGatewayProcess({
    PORT: String(port),
    API_PORT: "0",
    HOST: "127.0.0.1",
    DATA_FOLDER: `${demoFolder}/security-${randomUUID()}`,
    DATABASE_URL: "",
    PUBLIC_URL: publicUrl,
    SECRET_KEY: "",
  });

/** A set-up by tRPC at the port itself, as a proxy in front would pass it on. */
async function setUp(web: string, publicUrl: string, token: string) {
  return send("/api/trpc/setup.complete", {
    web,
    headers: { ...asJson, origin: publicUrl },
    body: JSON.stringify({
      token,
      owner: { email: "owner@example.com", password: "password-of-owner" },
      upstream: { baseUrl: "https://api.openai.com/v1", apiKey: "sk-not-a-real-key" },
      announcement: "",
      defaultBalanceUsd: "0",
      isRegistrationOpen: true,
    }),
  });
}

test("a session's cookie is out of scripts' reach and stays on this site; on https it is tied to the host", async () => {
  const plain = (await logIn(demo.user.email, demo.user.password)).cookies[0]!;
  expect(plain).toMatch(/^session=/);
  expect(plain).toContain("HttpOnly");
  expect(plain).toContain("SameSite=Lax");
  expect(plain).toContain("Path=/");
  expect(plain).not.toContain("Domain=");

  const publicUrl = "https://gateway.example.com";
  const port = await freePort();
  const gateway = await startFresh(port, publicUrl);
  try {
    const response = await setUp(`http://127.0.0.1:${port}`, publicUrl, gateway.setupToken ?? "");
    const cookie = response.headers.getSetCookie()[0]!;
    expect(cookie).toMatch(/^__Host-session=/);
    expect(cookie).toContain("Secure");
    expect(cookie).toContain("HttpOnly");
    expect(cookie).not.toContain("Domain=");
    expect(response.headers.get("strict-transport-security")).toContain("max-age=31536000");
  } finally {
    await gateway.stop();
  }
}, 60_000);

test("every page forbids frames, foreign scripts and sniffing, with a nonce of its own", async () => {
  const nonces = new Set<string>();
  for (const address of ["/login", "/register", "/nowhere", "/login"]) {
    const { headers } = await send(address, { method: "GET" });
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("object-src 'none'");
    expect(policy).toContain("base-uri 'none'");
    const scripts = /script-src ([^;]*)/.exec(policy)?.[1] ?? "";
    expect(scripts).not.toMatch(/unsafe|\*|https?:/);
    nonces.add(/'nonce-([^']+)'/.exec(scripts)?.[1] ?? "");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("same-origin");
  }
  expect(nonces.size).toBe(4);
});
