/** Whatever a client sends, at both doors: it is refused or answered, it is charged rightly, and the process lives. */
import { connect } from "node:net";
import type { Database } from "@codex-gateway/db";
import { createPerson, type GatewayProcess } from "@codex-gateway/demo";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

const owner = { email: "owner@example.com", password: "password-of-owner" };

let house: Installation;
let upstream: SteadyUpstream;
let gateway: GatewayProcess;
let db: Database;
let key: string;

beforeAll(async () => {
  upstream = await startSteadyUpstream({ waitMs: 0, pieceMs: 0 });
  house = await startInstallation("bad-input", { own: { TRUSTED_PROXIES: "127.0.0.1" } });
  ({ gateway, db } = house);
  key = await aFundedKey(gateway, upstream.url);
}, 60_000);
afterAll(async () => {
  // Its database is gone by then: it would wait for it.
  await house.stop("SIGKILL");
  upstream.stop();
});

const baseOf = (door: string) => (door === "the Remix route" ? `${gateway.web}/v1` : gateway.api);
const body = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}';

/** Writes the bytes as they are; answers with all that came back until the connection closed, or fell silent. */
function sendRaw(door: string, bytes: string | Uint8Array, { silentMs = 1_000 } = {}): Promise<string> {
  const { hostname, port } = new URL(baseOf(door));
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(port), hostname === "localhost" ? "127.0.0.1" : hostname);
    const finish = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(silentMs, finish);
    socket.on("data", (text: Buffer) => (answer += text.toString()));
    socket.on("close", finish).on("error", finish);
    socket.write(bytes);
  });
}

const post = (door: string, headers: Record<string, string> = {}) =>
  fetch(`${baseOf(door)}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body,
  });

const head = (...lines: string[]) =>
  ["POST /v1/chat/completions HTTP/1.1", `authorization: Bearer ${key}`, ...lines].join("\r\n") + "\r\n\r\n";

describe.each(["the API's port", "the Remix route"])("at %s", (door) => {
  test.each([
    ["two hosts", () => head("host: a", "host: b", "content-length: 2") + "{}"],
    ["an absolute target", () => head("host: a", "content-length: 2").replace(" /v1", " http://a/v1") + "{}"],
    ["no host", () => head("content-length: 2") + "{}"],
  ])("%s is a 400", async (_what, request) => {
    const answer = await sendRaw(door, request());
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  test("an offer to speak HTTP/2 is ignored, and who wants a WebSocket is told to use HTTP", async () => {
    const offer = (protocol: string) =>
      head("host: a", "connection: upgrade", `upgrade: ${protocol}`, "content-length: 2");
    expect(await sendRaw(door, `${offer("h2c")}{}`)).toContain("you must provide a model parameter");
    expect(await sendRaw(door, `${offer("websocket")}{}`)).toMatch(/^HTTP\/1.1 426 /);
  });

  test("a client that waits for leave gets it once its key and size are seen", async () => {
    const ask = (authorization: string, length: number) =>
      `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${authorization}\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
    expect(await sendRaw(door, ask("sk-wrong", 100))).toMatch(/^HTTP\/1.1 401 /);
    expect(await sendRaw(door, ask(key, 26 * 1024 * 1024))).toMatch(/^HTTP\/1.1 413 /);
    expect(await sendRaw(door, ask(key, body.length) + body)).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
  });

  test("a key for some addresses counts what the trusted proxy saw, and not what the client says", async () => {
    const person = createPerson(gateway.web);
    await person.api.auth.login.mutate(owner);
    const { secret } = await person.api.keys.create.mutate({ name: "office", allowedAddresses: ["203.0.113.0/24"] });
    const statusFrom = async (forwardedFor: string) =>
      (await post(door, { authorization: `Bearer ${secret}`, "x-forwarded-for": forwardedFor })).status;
    expect(await statusFrom("203.0.113.7")).toBe(200);
    expect(await statusFrom("203.0.113.7, 198.51.100.1")).toBe(403);
    expect((await post(door, { authorization: `Bearer ${secret}` })).status).toBe(403);
  });

  test("random requests are refused or charged once, and the process lives", async () => {
    const { pid } = gateway.child;
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        await fetch(baseOf(door) + request.path, {
          method: request.method,
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...request.headers },
          ...(request.method === "GET" ? {} : { body: request.body }),
        }).then(async (response) => {
          expect(response.headers.get("x-request-id")).toBeTruthy();
          expect(response.status).not.toBe(500);
          await response.text();
        });
      }),
      { numRuns: 250, interruptAfterTimeLimit: 20_000 },
    );
    expect([gateway.child.pid, gateway.child.exitCode]).toEqual([pid, null]);
    await expectSoundBooks();
  });

  test("random bytes are refused, and the process lives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.nat(150), async (bytes, cut) => {
        const request = Buffer.from(head("host: a", `content-length: ${body.length}`) + body);
        // Half of them begin like a request that is right.
        await sendRaw(door, Buffer.concat([cut % 2 ? request.subarray(0, cut) : Buffer.alloc(0), bytes]), {
          silentMs: 20,
        });
      }),
      { numRuns: 100, interruptAfterTimeLimit: 20_000 },
    );
    expect(gateway.child.exitCode).toBeNull();
    expect((await post(door)).status).toBe(200);
    await expectSoundBooks();
  });
});

/** As many charges as answers, no hold left open, and all invariants hold. */
async function expectSoundBooks(): Promise<void> {
  await expect.poll(() => db.prisma.hold.count({ where: { state: "open" } }), { timeout: 10_000 }).toBe(0);
  expect(await db.prisma.charge.count()).toBe(upstream.served.length);
  expect(await db.prisma.charge.count({ where: { basis: { not: "exact" } } })).toBe(0);
  expect(await breachesIn(db)).toEqual([]);
}

const right: Record<string, object> = {
  "/chat/completions": { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] },
  "/responses": { model: "gpt-4o-mini", input: "Hello" },
  "/completions": { model: "gpt-4o-mini", prompt: "Hello" },
  "/embeddings": { model: "text-embedding-3-small", input: "Hello" },
};

const members = fc.dictionary(
  fc.constantFrom(
    "model",
    "stream",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "stream_options",
    "prompt",
    "x",
  ),
  fc.oneof(fc.jsonValue(), fc.constantFrom(1, true, "gpt-4o-mini", {}, [], null, 1e300, -1)),
  { maxKeys: 3 },
);

/** A body that is right, or almost: members replaced, one byte changed, cut off, or none of our doing. */
const bodyOf = (path: string) =>
  fc
    .record({ more: fc.oneof(fc.constant({}), members), at: fc.nat(80), byte: fc.nat(255), how: fc.nat(3) })
    .map(({ more, at, byte, how }) => {
      const bytes = new Uint8Array(Buffer.from(JSON.stringify({ ...right[path], ...more })));
      if (how === 1) bytes[at % bytes.length] = byte;
      return how === 2 ? bytes.slice(0, at) : bytes;
    });

const requests = fc.constantFrom(...Object.keys(right)).chain((path) =>
  fc.record({
    path: fc.oneof(
      { weight: 6, arbitrary: fc.constant(path) },
      {
        weight: 1,
        arbitrary: fc.constantFrom("", "/models/%", "/charges/x", "/charges?limit=-1&after=%00", "//", "/none?a=b"),
      },
    ),
    method: fc.oneof({ weight: 8, arbitrary: fc.constant("POST") }, fc.constantFrom("GET", "PUT", "DELETE", "PATCH")),
    headers: fc.dictionary(
      fc.constantFrom(
        "openai-beta",
        "x-stainless-lang",
        "traceparent",
        "originator",
        "x-codex-a",
        "accept",
        "content-type",
      ),
      fc.string({ unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
      { maxKeys: 2 },
    ),
    body: bodyOf(path),
  }),
);

test("who logs in is written down with the address that the proxy saw", async () => {
  const response = await fetch(`${gateway.web}/api/auth/token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": "198.51.100.9, 203.0.113.50" },
    body: JSON.stringify(owner),
  });
  expect(response.status).toBe(200);
  const line = await db.prisma.auditLog.findFirst({ where: { action: "login" }, orderBy: { id: "desc" } });
  expect(line?.address).toBe("203.0.113.50");
});

test("without its database it says so within a second", async () => {
  await db.close();
  await house.postgres.stop();
  for (const door of ["the API's port", "the Remix route"]) {
    const startedAtMs = Date.now();
    const response = await post(door);
    expect(Date.now() - startedAtMs).toBeLessThan(1_000);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  }
});
