import type { RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { createDrain } from "./drain.ts";
import { listen, portOf, type Listening, type ListenOptions } from "./listen.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

const nobody = { isProxy: () => false };
const sayOk: RequestListener = (_req, res) => res.end("ok");

async function serve(options: Partial<ListenOptions>, listener = sayOk): Promise<Listening> {
  const opened = await listen(listener, {
    port: 0,
    host: "127.0.0.1",
    name: "PORT",
    clients: nobody,
    log: () => undefined,
    ...options,
  });
  closers.push(() => {
    opened.server.close();
    opened.connections.closeAll();
  });
  return opened;
}

const quick = { sweepMs: 50, headersMs: 1_000, bodyPauseMs: 1_000, readerPauseMs: 1_000 };
const get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/** A new connection; resolves once it was answered or closed, with whether it was answered. */
function knock(opened: Listening, text = get) {
  const socket: Socket = connect(portOf(opened), "127.0.0.1").on("error", () => undefined);
  closers.push(() => socket.destroy());
  const answered = new Promise<string>((resolve) => {
    socket.once("data", (bytes: Buffer) => resolve(bytes.toString())).once("close", () => resolve(""));
    socket.write(text);
  }).then((answer) => ({ socket, answer, isAnswered: answer.startsWith("HTTP/1.1 200") }));
  return Object.assign(answered, { socket });
}

/** One that sends `text` and reads nothing, ever; resolves when the server has it. */
async function connectDeaf(opened: Listening, text: string): Promise<Socket> {
  const before = opened.connections.count();
  const socket = connect({ port: portOf(opened), host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
  closers.push(() => socket.destroy());
  socket.pause().write(text);
  await expect.poll(() => opened.connections.count()).toBe(before + 1);
  return socket;
}

const answeredOf = async (opened: Listening, count: number) => {
  const knocks = [];
  for (let n = 0; n < count; n++) knocks.push(await knock(opened));
  return knocks;
};

test("one address may have so many connections, and one more once one is closed", async () => {
  const opened = await serve({ maxPerAddress: 2 });
  const knocks = await answeredOf(opened, 3);
  expect(knocks.map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
  knocks[0]?.socket.destroy();
  await expect.poll(async () => (await knock(opened)).isAnswered).toBe(true);
});

test("a proxy may have more", async () => {
  const opened = await serve({ maxPerAddress: 2, clients: { isProxy: () => true } });
  expect((await answeredOf(opened, 3)).map(({ isAnswered }) => isAnswered)).toEqual([true, true, true]);
});

test("one address alone cannot take all there are", async () => {
  const opened = await serve({ maxConnections: 100, maxPerAddress: 100 });
  const knocks = await answeredOf(opened, 40);
  // 20 of 100: one more would be above a quarter of the 80 that are free.
  expect(knocks.filter(({ isAnswered }) => isAnswered)).toHaveLength(20);
});

const proxies = { isProxy: () => true };

test("where all are taken, the one that has been idle for longest gives way", async () => {
  const opened = await serve({ maxConnections: 2, clients: proxies });
  const [first, second] = await answeredOf(opened, 2);
  second?.socket.write(get);
  const closed = new Promise((resolve) => first?.socket.once("close", resolve));
  expect((await knock(opened)).isAnswered).toBe(true);
  await closed;
  expect(second?.socket.destroyed).toBe(false);
  expect(opened.connections.count()).toBe(2);
});

test("where all are busy, a new one is refused", async () => {
  const opened = await serve({ maxConnections: 2, clients: proxies }, () => undefined);
  await connectDeaf(opened, get);
  await connectDeaf(opened, get);
  const { answer } = await knock(opened);
  expect([answer, opened.connections.count()]).toEqual(["", 2]);
});

test.each([
  ["no HTTP", "\x16\x03\x01 hello\r\n\r\n", "400"],
  ["two lengths", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", "400"],
  [
    "a length and chunks",
    "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
    "400",
  ],
  ["too large headers", `GET / HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(70_000)}\r\n\r\n`, "431"],
])("%s is refused in OpenAI's shape", async (_what, text, status) => {
  const { answer } = await knock(await serve({}), text);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toMatch(/x-request-id: \S+/);
  const [, body = ""] = answer.split("\r\n\r\n");
  expect(JSON.parse(body)).toMatchObject({ error: { type: "invalid_request_error" } });
});

test("what is no request is told so on a connection that was answered before, too", async () => {
  const { socket } = await knock(await serve({}));
  const answer = new Promise<string>((resolve) => socket.once("data", (bytes: Buffer) => resolve(bytes.toString())));
  socket.write("no request\r\n\r\n");
  expect(await answer).toMatch(/^HTTP\/1.1 400 /);
});

test.each([
  ["no HTTP", "no request\r\n\r\n"],
  ["too large headers", `GET / HTTP/1.1\r\nx: ${"x".repeat(70_000)}\r\n\r\n`],
])("a client that never reads the refusal of %s is turned out all the same", async (_what, text) => {
  const opened = await serve({});
  await connectDeaf(opened, text);
  await expect.poll(() => opened.connections.count(), { timeout: 10_000 }).toBe(0);
});

test("a client that sends on after its refusal is turned out", async () => {
  const opened = await serve({});
  const socket = await connectDeaf(opened, "no request\r\n\r\n");
  const sending = setInterval(() => socket.writable && socket.write("no request\r\n\r\n"), 50);
  closers.push(() => clearInterval(sending));
  await expect.poll(() => opened.connections.count(), { timeout: 10_000 }).toBe(0);
});

test.each([
  ["half a head", "GET / HTTP/1.1\r\nhost: x\r\nx: "],
  ["nothing at all", ""],
])(
  "a connection that sends %s is refused in time, whether or not that is read",
  async (_what, text) => {
    const opened = await serve({ times: quick });
    await connectDeaf(opened, text);
    await expect.poll(() => opened.connections.count(), { timeout: 15_000 }).toBe(0);
  },
  20_000,
);

const post = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
/** Reads the body, which never ends. */
const readOn: RequestListener = (req) => void req.resume().on("error", () => undefined);

test.each([
  ["stands still", 1_000_000],
  ["comes a byte at a time", 100],
])(
  "a body that %s is refused",
  async (_what, everyMs) => {
    const opened = await serve({ times: quick }, readOn);
    const knocking = knock(opened, `${post}abc`);
    const dripping = setInterval(() => void knocking.socket.write("x"), everyMs);
    closers.push(() => clearInterval(dripping));
    expect((await knocking).answer).toMatch(/^HTTP\/1.1 408 [^]+took too long/);
    await expect.poll(() => opened.connections.count()).toBe(0);
  },
  20_000,
);

test("a body that comes at a fair pace is waited for, and so is one that the server does not read yet", async () => {
  const opened = await serve({ times: quick }, (req, res) => {
    setTimeout(() => req.resume().on("end", () => res.end("ok")), 2_500);
  });
  const length = 40 * 1_000;
  const knocking = knock(opened, post.replace("1000000", String(length)));
  let sent = 0;
  const sending = setInterval(() => {
    if (sent < length) knocking.socket.write("x".repeat(1_000));
    sent += 1_000;
  }, 100);
  closers.push(() => clearInterval(sending));
  expect((await knocking).isAnswered).toBe(true);
}, 20_000);

test("a reader that takes nothing of its answer is turned out", async () => {
  const opened = await serve({ times: quick }, (_req, res) => void res.end(Buffer.alloc(64 * 1024 * 1024)));
  await connectDeaf(opened, get);
  await expect.poll(() => opened.connections.count(), { timeout: 15_000 }).toBe(0);
}, 20_000);

test("a slow reader that goes on reading gets all of its answer", async () => {
  const length = 16 * 1024 * 1024;
  const opened = await serve({ times: quick }, (_req, res) => void res.end(Buffer.alloc(length)));
  const socket = connect(portOf(opened), "127.0.0.1");
  closers.push(() => socket.destroy());
  let received = 0;
  socket.on("data", (bytes: Buffer) => {
    received += bytes.length;
    socket.pause();
    setTimeout(() => socket.resume(), 15);
  });
  socket.write(get);
  await expect.poll(() => received, { timeout: 25_000 }).toBeGreaterThan(length);
}, 30_000);

test("requests that pile up on one connection without being answered end it", async () => {
  let asked = 0;
  const opened = await serve({}, () => {
    asked++;
  });
  const { answer } = await knock(opened, get.repeat(40));
  expect([answer, asked]).toEqual(["", 16]);
});

/** How long a stop takes that would wait for 30 s. */
async function drained(opened: Listening): Promise<number> {
  const startedAtMs = Date.now();
  await createDrain().end([opened], { deadlineMs: 30_000, cutOff: () => Promise.resolve() });
  return Date.now() - startedAtMs;
}

test("a stop waits for no connection without a request: idle, half a head, or one that never reads its refusal", async () => {
  const opened = await serve({});
  await connectDeaf(opened, "");
  await connectDeaf(opened, "GET / HTTP/1.1\r\nhost: x\r\nx: ");
  await connectDeaf(opened, "no request\r\n\r\n");
  await knock(opened);
  expect(await drained(opened)).toBeLessThan(10_000);
  expect(opened.connections.count()).toBe(0);
}, 40_000);

test("a stop waits for a request in flight", async () => {
  const opened = await serve({}, (_req, res) => void setTimeout(() => res.end("late"), 2_500));
  const answered = knock(opened);
  await sleep(100);
  await drained(opened);
  expect((await answered).answer).toContain("late");
}, 40_000);

test("a request that is never answered is given up when no call can last any longer", async () => {
  const opened = await serve({ times: { ...quick, maxExchangeMs: () => 500 } }, () => undefined);
  expect((await knock(opened)).answer).toBe("");
  await expect.poll(() => opened.connections.count()).toBe(0);
});
