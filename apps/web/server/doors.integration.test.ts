import type { Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { listen, type ListenOptions } from "./doors.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

const nobody = { isProxy: () => false };

async function serve(options: Partial<ListenOptions>): Promise<Server> {
  const server = await listen((_req, res) => res.end("ok"), {
    port: 0,
    host: "127.0.0.1",
    name: "PORT",
    clients: nobody,
    ...options,
  });
  closers.push(() => server.close().closeAllConnections());
  return server;
}

/** A new connection; resolves once it was answered or closed, with whether it was answered. */
async function knock(server: Server, text = "GET / HTTP/1.1\r\nhost: x\r\n\r\n") {
  const socket: Socket = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => undefined);
  closers.push(() => socket.destroy());
  const answer = await new Promise<string>((resolve) => {
    socket.once("data", (bytes: Buffer) => resolve(bytes.toString())).once("close", () => resolve(""));
    socket.write(text);
  });
  return { socket, answer, isAnswered: answer.startsWith("HTTP/1.1 200") };
}

const answeredOf = async (server: Server, count: number) => {
  const knocks = [];
  for (let n = 0; n < count; n++) knocks.push(await knock(server));
  return knocks;
};

test("one address may have so many connections, and one more once one is closed", async () => {
  const server = await serve({ maxPerAddress: 2 });
  const knocks = await answeredOf(server, 3);
  expect(knocks.map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
  knocks[0]?.socket.destroy();
  await expect.poll(async () => (await knock(server)).isAnswered).toBe(true);
});

test("a proxy may have more", async () => {
  const server = await serve({ maxPerAddress: 2, clients: { isProxy: () => true } });
  expect((await answeredOf(server, 3)).map(({ isAnswered }) => isAnswered)).toEqual([true, true, true]);
});

test("all together may have so many", async () => {
  const server = await serve({ maxConnections: 2 });
  expect((await answeredOf(server, 3)).map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
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
