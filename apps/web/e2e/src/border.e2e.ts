/** What the pages' port takes: bounded bodies, readable cookies and addresses, known intents. Whatever comes, never a 500. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anyPorts } from "./demo-folder.ts";

type Route = { id: string; path?: string; parentId?: string; module: { action?: unknown; loader?: unknown } };

let demo: RunningDemo;
let routes: { address: string; hasAction: boolean; hasLoader: boolean }[];
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  const file = fileURLToPath(new URL("../../build/server/index.js", import.meta.url));
  const build = (await import(pathToFileURL(path.resolve(file)).href)) as { routes: Record<string, Route> };
  const addressOf = ({ path: own = "", parentId }: Route): string =>
    `${parentId ? addressOf(build.routes[parentId]!) : ""}${own && `/${own}`}`;
  routes = Object.values(build.routes)
    .filter(({ path: own }) => own !== "v1/*")
    .map((route) => ({
      address: (addressOf(route) || "/")
        .replace(":id", demo.userId)
        .replace(":model", "gpt-4o-mini")
        .replace(":token", "none")
        .replace("*", "none"),
      hasAction: route.module.action !== undefined,
      hasLoader: route.module.loader !== undefined,
    }));
}, 60_000);
afterAll(() => demo.stop());

type Sent = { headers?: Record<string, string>; body?: string | URLSearchParams; method?: string; cookie?: string };
const form = { "content-type": "application/x-www-form-urlencoded" };
const json = { "content-type": "application/json" };

const send = (
  address: string,
  { headers = {}, body, method = body === undefined ? "GET" : "POST", cookie }: Sent = {},
) =>
  fetch(demo.web + address, {
    method,
    headers: { origin: demo.web, ...(cookie === undefined ? {} : { cookie }), ...headers },
    redirect: "manual",
    ...(body === undefined ? {} : { body, duplex: "half" }),
  });

/** Sends so many bytes, in chunks without a length or with one; answers with the status, or null where it got none. */
function upload(address: string, headers: Record<string, string>, bytes: number, isChunked: boolean) {
  const { hostname, port } = new URL(demo.web);
  return new Promise<number | null>((resolve) => {
    const request = httpRequest(
      {
        ...{ hostname, port, path: address, method: "POST" },
        headers: { origin: demo.web, ...headers, ...(isChunked ? {} : { "content-length": String(bytes) }) },
      },
      (response: IncomingMessage) => {
        response.resume();
        resolve(response.statusCode ?? null);
      },
    );
    request.on("error", () => resolve(null));
    const piece = Buffer.alloc(64 * 1024, "a=1&");
    let left = bytes;
    const write = () => {
      while (left > 0 && !request.destroyed) {
        left -= piece.length;
        if (!request.write(piece)) {
          request.once("drain", write);
          return;
        }
      }
      request.end();
    };
    write();
  });
}

const residentBytes = () => {
  const status = readFileSync(`/proc/${demo.gateway.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
};

/** The longest that anybody else waited for an answer meanwhile. */
async function longestWaitDuring(work: Promise<unknown>): Promise<number> {
  const state = { isOver: false };
  const end = work.finally(() => (state.isOver = true));
  let longestMs = 0;
  while (!state.isOver) {
    const startedAtMs = performance.now();
    await (await fetch(`${demo.web}/healthz`)).text();
    longestMs = Math.max(longestMs, performance.now() - startedAtMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await end;
  return longestMs;
}

const mebi = 1024 * 1024;

describe("a body", () => {
  const doors: [address: string, headers: Record<string, string>][] = [
    ["/login", form],
    ["/login.data", form],
    ["/preferences", { "content-type": "multipart/form-data; boundary=x" }],
    ["/admin/settings", form],
    ["/nowhere", form],
    ["/api/trpc/auth.login", json],
    ["/api/trpc/auth.login,auth.login?batch=1", json],
    ["/api/auth/token", json],
    ["/api/auth/token", { "content-type": "application/octet-stream" }],
  ];

  test.each(doors)("%s takes 64 KiB at most, whoever sends it and however", async (address, headers) => {
    for (const cookie of ["", demo.ownerSession.cookie()]) {
      for (const isChunked of [true, false]) {
        expect(await upload(address, { ...headers, cookie }, 25 * mebi, isChunked)).toBe(413);
        expect(await upload(address, { ...headers, cookie }, 64 * 1024, isChunked)).not.toBe(413);
        expect(await upload(address, { ...headers, cookie }, 64 * 1024 + 1, isChunked)).toBe(413);
      }
    }
  });

  test("of 200 MiB, many times at once, takes no memory and nobody's time", async () => {
    const beforeBytes = residentBytes();
    const uploads = Promise.all(
      doors.flatMap(([address, headers]) => [true, false].map((each) => upload(address, headers, 200 * mebi, each))),
    );
    expect(await longestWaitDuring(uploads)).toBeLessThan(1_000);
    expect(residentBytes() - beforeBytes).toBeLessThan(200 * mebi);
  });

  test("of a million fields, or of as many as fit, blocks nobody", async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, n) => `a${n % 10}=`).join("&");
    const inputs = (count: number) => `{${Array.from({ length: count }, (_, n) => `"${n}":0`).join(",")}}`;
    const statuses: number[] = [];
    const work = async () => {
      for (const [address, headers, body] of [
        ["/login", form, fields(1_000_000)],
        ["/login", form, fields(12_000)],
        ["/login", form, "&".repeat(65_000)],
        ["/login", form, "a".repeat(65_000)],
        ["/login", form, "%".repeat(65_000)],
        ["/api/trpc/auth.me?batch=1", json, inputs(1_000_000)],
        ["/api/trpc/auth.login?batch=1", json, inputs(6_000)],
        ["/api/trpc/auth.login", json, "[".repeat(65_000)],
        ["/api/trpc/keys.create", json, `{"name":"x","allowedModels":[${Array(15_000).fill("1,1").join(",")}]}`],
      ] as const) {
        const response = await send(address, { headers, body, cookie: demo.userSession.cookie() });
        statuses.push(response.status);
        await response.text();
      }
    };
    expect(await longestWaitDuring(work())).toBeLessThan(1_000);
    expect(statuses.filter((status) => status >= 500)).toEqual([]);
    expect(statuses.slice(0, 2)).toEqual([413, 400]);
  });

  test("is refused in the shape that its sender reads", async () => {
    const body = "x".repeat(100_000);
    const page = await send("/login", { headers: { ...form, "accept-language": "en" }, body });
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(await page.text()).toContain("Too much at once");
    const data = await send("/login.data", { headers: form, body });
    expect([data.status, data.headers.get("content-type")]).toEqual([413, expect.stringContaining("text/x-script")]);
    const procedure = await send("/api/trpc/auth.login", { headers: json, body });
    expect(await procedure.json()).toMatchObject({ error: { data: { code: "PAYLOAD_TOO_LARGE", httpStatus: 413 } } });
    const token = await send("/api/auth/token", { headers: json, body });
    expect(await token.json()).toEqual({ error: { message: "The body is too large." } });
  });

  test.each([
    [415, { ...form, "content-encoding": "gzip" }, "a=1"],
    [415, { "content-type": "text/plain" }, "a=1"],
    [415, { "content-type": "application/json" }, "{}"],
    [400, { "content-type": "multipart/form-data" }, "a=1"],
    [400, { "content-type": "multipart/form-data; boundary=x" }, "--y\r\n"],
    [
      400,
      { "content-type": "multipart/form-data; boundary=x" },
      `--x\r\ncontent-disposition: form-data\r\n\r\n1\r\n--x--`,
    ],
  ])("that is no form is a %i: %j", async (status, headers, body) => {
    for (const address of ["/login", "/preferences", "/logout"]) {
      expect((await send(address, { headers: headers, body })).status, address).toBe(status);
    }
  });

  test("that is empty is one without fields", async () => {
    for (const { address, hasAction } of routes) {
      if (!hasAction) continue;
      const response = await send(address, { method: "POST", cookie: demo.ownerSession.cookie() });
      expect(response.status, address).toBeLessThan(500);
      await response.text();
    }
    await demo.ownerSession.api.auth.login.mutate(demo.owner);
  });
});

describe("an address", () => {
  test.each([
    [414, `/login?next=/${"x".repeat(9_000)}`],
    [414, `/api/trpc/auth.me?input=${"x".repeat(9_000)}`],
    [400, `/login?${"a&".repeat(200)}`],
    [400, `/api/trpc/auth.me?${"a&".repeat(200)}`],
  ])("that is too much is a %i", async (status, address) => {
    expect((await send(address)).status).toBe(status);
  });

  test("with another method is a 405", async () => {
    for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"]) {
      for (const address of ["/login", "/api/trpc/auth.me", "/usage.csv"]) {
        expect((await send(address, { method })).status, `${method} ${address}`).toBe(405);
      }
    }
  });

  const strange = [
    ...["%00", "%ff", "%", "%ED%A0%80", "%E2%80%AEx", "a%0d%0ab", "x".repeat(3_000), "0", "-1", "1e9", "9".repeat(30)],
    ...[
      "2026-02-31",
      "0000-01-01",
      "9999-12-31",
      "__proto__",
      "%2F%2Fevil.example",
      "%2F%09%2Fevil.example",
      "[]",
      "{}",
    ],
  ];
  /** Together, the first field that is refused hides the others. */
  const single = ["%00", "2026-02-31", "0000-01-01", "9".repeat(30)];
  const fields = ["page", "from", "to", "model", "key", "search", "action", "status", "next", "token", "over", "index"];

  test("answers whatever its fields and its path say", async () => {
    const broken: string[] = [];
    for (const { address } of routes.filter(({ hasLoader }) => hasLoader)) {
      for (const value of strange) {
        const query = fields
          .map((name) => `${name}=${value}`)
          .join("&")
          .slice(0, 7_000);
        const each = fields.map((name) => `${name}=${value}`);
        for (const search of single.includes(value) ? [query, ...each] : [query]) {
          const response = await send(`${address}?${search}`, { cookie: demo.ownerSession.cookie() });
          await response.text();
          if (response.status >= 500) broken.push(`${response.status} ${address}?${search}`);
        }
      }
    }
    for (const value of strange) {
      for (const address of [
        "/admin/users/",
        "/admin/prices/",
        "/",
        "/assets/",
        "/usage.csv/",
        "/__manifest?p=",
        "/api/trpc/",
      ]) {
        for (const suffix of ["", ".data"]) {
          const response = await send(address + value + suffix, { cookie: demo.ownerSession.cookie() });
          await response.text();
          if (response.status >= 500) broken.push(`${response.status} ${address}${value}${suffix}`);
        }
      }
    }
    expect(broken).toEqual([]);
  }, 300_000);

  test.each(["from=2026-02-31", "to=0000-01-01", "key=none", "model=a%00b"])(
    "of the usage page that cannot be read is a 400, as a page and as a table: %s",
    async (search) => {
      for (const address of ["/usage", "/usage.csv"]) {
        const response = await send(`${address}?${search}`, { cookie: demo.userSession.cookie() });
        expect(response.status, address).toBe(400);
      }
    },
  );

  test.each([
    ...[
      "/%09/evil.example",
      "//evil.example",
      "/\\evil.example",
      "/%5c/evil.example",
      "/%0a/evil.example",
      "/.//evil.example",
    ],
    ...["javascript:alert(1)", "https://evil.example", "%00", "/%00//evil.example"],
  ])("to go to after the log-in is one of ours: %s", async (next) => {
    for (const encoded of [next, encodeURIComponent(next), encodeURIComponent(decodeURIComponent(next))]) {
      const signedIn = await send(`/login?next=${encoded}`, { cookie: demo.ownerSession.cookie() });
      const body = new URLSearchParams({ theme: "dark", next: decodeURIComponent(next) });
      const chosen = await send("/preferences", { headers: form, body });
      for (const response of [signedIn, chosen]) {
        expect(response.status).toBe(302);
        expect(new URL(response.headers.get("location")!, demo.web).origin).toBe(demo.web);
      }
    }
  });
});

describe("cookies", () => {
  test.each([
    "%",
    "a=%; b=%E0%A4%A",
    "session=%",
    "session=%00",
    `session=${"x".repeat(4_096)}`,
    `rubbish=${"%".repeat(4_096)}`,
    "language=%; theme=%ff; time-zone=%",
    "time-zone=US/Pacific-New",
    "time-zone=Etc%2FUnknown",
    "time-zone=%00",
    ";;;=;=x;==",
    "\u00e9=\u00ff",
    "__proto__=x; constructor=y",
  ])("that nobody can read are as if they were not there: %s", async (strange) => {
    for (const cookie of [`${demo.userSession.cookie()}; ${strange}`, `${strange}; ${demo.userSession.cookie()}`]) {
      for (const address of ["/dashboard", "/usage", "/usage.csv", "/dashboard.data"]) {
        const response = await send(address, { cookie });
        expect(response.status, address).toBe(200);
        await response.text();
      }
      const me = await send("/api/trpc/auth.me", { cookie });
      expect(await me.json()).toMatchObject({ result: { data: { email: demo.user.email } } });
    }
    expect((await send("/login", { cookie: strange })).status).toBe(200);
  });
});

describe("a batch", () => {
  const names = (count: number, comma: string) => Array(count).fill("auth.me").join(comma);

  test.each([",", "%2C", "%2c"])("has ten calls at most, with commas written as %s", async (comma) => {
    expect((await send(`/api/trpc/${names(10, comma)}?batch=1&input={}`)).status).toBe(200);
    for (const count of [11, 780]) {
      const response = await send(`/api/trpc/${names(count, comma)}?batch=1&input={}`);
      expect(response.status).toBe(400);
      await response.text();
    }
  });

  test("is counted the same where it is posted", async () => {
    const logouts = Array(11).fill("auth.logout").join("%2c");
    expect((await send(`/api/trpc/${logouts}?batch=1`, { headers: json, body: "{}" })).status).toBe(400);
  });

  test.each([
    ["auth.nothing", 404],
    ["nothing", 404],
    ["__proto__", 404],
    ["auth.constructor", 404],
    [names(2, "%252C"), 404],
    [names(11, ","), 404],
    ["%", 400],
    ["%E0%A4%A", 400],
    ["auth.me%00", 404],
  ])("a call of %s is a %i", async (name, status) => {
    const response = await send(`/api/trpc/${name}`);
    expect(response.status).toBe(status);
    await response.text();
  });

  test.each([
    "input=%",
    "input={",
    "input=[]&batch=1",
    "input=7&batch=1",
    "connectionParams={",
    "batch=1",
    "input=%00",
  ])("with %s is no 500", async (search) => {
    const response = await send(`/api/trpc/auth.me?${search}`);
    expect(response.status).toBeLessThan(500);
    await response.text();
  });
});

describe("an action", () => {
  /** The form of an index page is sent to it by name, not to the frame around it. */
  const formTarget = (address: string) => (/^\/admin(?:\.data)?$/.test(address) ? `${address}?index` : address);
  const withIntents = [
    "/account",
    "/api-keys",
    "/setup",
    "/admin",
    "/admin/upstreams",
    "/admin/users",
    "/admin/users/:id",
    "/admin/invites",
  ];

  test("does nothing by default", async () => {
    const before = await demo.ownerSession.api.admin.users.get.query({ userId: demo.userId });
    for (const address of withIntents.map((each) => each.replace(":id", demo.userId))) {
      for (const body of [
        "",
        "intent=",
        "intent=nothing",
        "intent=constructor",
        "intent=suspend&intent=activate",
        "intent=%00",
      ]) {
        for (const data of ["", ".data"]) {
          const sent = `${body}&userId=${demo.userId}&name=x`;
          const response = await send(formTarget(address + data), {
            headers: form,
            body: sent,
            cookie: demo.ownerSession.cookie(),
          });
          expect(response.status, `${address}${data} ${body}`).toBe(400);
          await response.text();
        }
      }
    }
    expect(await demo.ownerSession.api.admin.users.get.query({ userId: demo.userId })).toEqual(before);
  });

  test("of any page answers whatever its fields hold", async () => {
    const names = [
      ...[
        "email",
        "password",
        "currentPassword",
        "sessionId",
        "code",
        "name",
        "lastDay",
        "keyId",
        "masked",
        "graceHours",
      ],
      ...[
        "amountUsd",
        "note",
        "formId",
        "requestId",
        "requestsPerMinute",
        "dailyBudgetUsd",
        "allowedModels",
        "baseUrl",
      ],
      ...[
        "allowedAddresses",
        "count",
        "model",
        "price.-1.input",
        "price.9999999999.x",
        "markupPercent",
        "contextTokens",
      ],
      ...[
        "announcement",
        "id",
        "weight",
        "apiKey",
        "userId",
        "role",
        "balanceUsd",
        "maxUses",
        "inviteId",
        "language",
        "theme",
        "next",
        "smtpUrl",
        "webhookUrl",
        "token",
      ],
    ];
    const values = [
      "\0",
      "a\0b",
      "\u202e",
      "2026-02-31",
      "0000-01-01",
      "9".repeat(40),
      "1e400",
      "x".repeat(1_200),
      "%",
      "[]",
    ];
    const intentsOf = (address: string) =>
      ({
        "/account": [
          ...["email", "password", "revoke", "begin-two-factors", "confirm-two-factors", "renew-codes"],
          ...["disable-two-factors", "offer-ownership", "drop-ownership", "accept-ownership"],
        ],
        "/admin/invites": ["create", "withdraw"],
        "/api-keys": ["create", "rotate", "update", "delete", "suspend"],
        "/setup": ["test", "complete"],
        "/admin": ["price", "dismiss"],
        "/admin/upstreams": ["put", "delete"],
        "/admin/users": ["suspend"],
        [`/admin/users/${demo.userId}`]: [
          ...["adjust", "refund", "limits", "role", "reset", "end-sessions", "remove-two-factors"],
          ...["disable-key", "enable-key", "delete"],
        ],
      })[address] ?? [""];
    const broken: string[] = [];
    for (const { address } of routes.filter(({ hasAction }) => hasAction)) {
      if (address === "/logout") continue;
      for (const value of values) {
        for (const intent of intentsOf(address)) {
          const body = new URLSearchParams(names.map((name): [string, string] => [name, value]));
          if (intent !== "") body.set("intent", intent);
          const response = await send(formTarget(address), { headers: form, body, cookie: demo.ownerSession.cookie() });
          await response.text();
          if (response.status >= 500)
            broken.push(`${response.status} ${address} ${intent} ${JSON.stringify(value.slice(0, 9))}`);
        }
      }
    }
    expect(broken).toEqual([]);
  }, 300_000);

  test("of every page whose form has several buttons is among those asked above", () => {
    const asked = withIntents.map((each) => each.replace(":id", demo.userId));
    const simple = ["/dashboard", "/login", "/register", "/logout", "/preferences", "/admin/settings", "/admin/codes"];
    const known = [
      ...asked,
      ...simple,
      "/admin/prices",
      "/admin/prices/gpt-4o-mini",
      "/admin/prices/proposals",
      "/admin/users/new",
      "/invite/none",
      "/reset",
      "/reset/none",
      "/none",
    ];
    expect(routes.filter(({ hasAction, address }) => hasAction && !known.includes(address))).toEqual([]);
  });
});

test("every page is among those that are asked", () => {
  expect(routes.length).toBeGreaterThan(20);
  expect(routes.filter(({ hasAction }) => hasAction).length).toBeGreaterThan(12);
  expect(routes.filter(({ hasLoader }) => hasLoader).length).toBeGreaterThan(18);
});

test("nothing that is made for one person is kept by anybody", async () => {
  const answers = [
    ...routes.flatMap(({ address }) => [address, address === "/" ? "/_root.data" : `${address}.data`]),
    ...["/api/trpc/auth.me", "/api/trpc/none", "/nowhere", "/login?next=%", `/login?${"a&".repeat(200)}`],
  ];
  for (const address of answers) {
    for (const cookie of ["", demo.ownerSession.cookie()]) {
      const { status, headers } = await send(address, { cookie });
      expect(headers.get("cache-control"), `${status} ${address}`).toBe("private, no-store");
    }
  }
  for (const [address, headers, body] of [
    ["/preferences", form, "theme=dark"],
    ["/login", form, new URLSearchParams(demo.user).toString()],
    ["/api/trpc/auth.login", json, JSON.stringify(demo.user)],
    ["/api/auth/token", json, JSON.stringify(demo.user)],
    ["/api/auth/token", json, "{"],
    ["/login", { ...form, "sec-fetch-site": "cross-site" }, "a=1"],
    ["/login", form, "x".repeat(100_000)],
  ] as const) {
    const response = await send(address, { headers, body });
    expect(response.headers.get("cache-control"), `${response.status} ${address}`).toBe("private, no-store");
  }
  const page = await (await send("/login")).text();
  const asset = /\/assets\/[^"]+\.js/.exec(page)![0];
  expect((await send(asset)).headers.get("cache-control")).toContain("immutable");
});
