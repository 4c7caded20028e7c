import { once } from "node:events";
import { createServer } from "node:net";
import { connect, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { acceptMore } from "./accept-more.ts";
import { createDrain } from "./drain.ts";
import { listen, portOf, type Listening } from "./listen.ts";

const sockets: Socket[] = [];
let opened: Listening[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await drain();
  opened = [];
});

const drain = () => createDrain().end(opened, { deadlineMs: 0, cutOff: () => Promise.resolve() });
const logged: string[] = [];
const open = async () => {
  const listening = await listen((_req, res) => void res.end("ok"), {
    port: 0,
    host: "127.0.0.1",
    name: "PORT",
    clients: { isProxy: () => false },
    log: (_level, event) => void logged.push(event),
  });
  opened.push(listening);
  return listening;
};
const handlesOf = (listening: Listening) => expect.poll(() => listening.more.size, { timeout: 10_000 });

/** How many connections a loop that has had no time for them takes in its next turn. */
async function acceptedInOneTurn(listening: Listening, asked: number): Promise<number> {
  const { server } = listening;
  let accepted = 0;
  const count = () => {
    accepted++;
  };
  server.on("connection", count);
  for (let n = 0; n < asked; n++) {
    sockets.push(connect(portOf(listening), "127.0.0.1").on("error", () => undefined));
  }
  // Each has been asked for behind this turn, and is in the socket's queue in the next one.
  await nextTurn();
  const before = accepted;
  await nextTurn();
  const inOneTurn = accepted - before;
  await expect.poll(() => accepted).toBe(asked);
  server.off("connection", count);
  return inOneTurn;
}

test("several connections are accepted in one turn, at each port", async () => {
  const [first, second] = [await open(), await open()];
  expect(await acceptedInOneTurn(first, 12)).toBe(1);
  acceptMore([first, second], () => undefined);
  await handlesOf(first).toBe(7);
  await handlesOf(second).toBe(7);
  expect(await acceptedInOneTurn(first, 12)).toBeGreaterThan(3);
  expect(await acceptedInOneTurn(second, 12)).toBeGreaterThan(3);
});

test("whatever handle a connection came by, it is answered, counted, and closed by a drain", async () => {
  const listening = await open();
  acceptMore([listening], () => undefined);
  await handlesOf(listening).toBe(7);
  const asked = Array.from({ length: 40 }, async () => {
    const socket = connect(portOf(listening), "127.0.0.1");
    sockets.push(socket);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer.toString().startsWith("HTTP/1.1 200");
  });
  expect(new Set(await Promise.all(asked))).toEqual(new Set([true]));
  expect(listening.connections.count()).toBe(40);
  const port = portOf(listening);
  await drain();
  expect(listening.connections.count()).toBe(0);
  const taken = createServer().listen(port, "127.0.0.1");
  await once(taken, "listening");
  taken.close();
});

test("no connection is lost while the handles are fetched", async () => {
  const listening = await open();
  acceptMore([listening], () => undefined);
  const answers: boolean[] = [];
  while (listening.more.size < 7) {
    const socket = connect(portOf(listening), "127.0.0.1").on("error", () => answers.push(false));
    sockets.push(socket);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    answers.push(
      await new Promise<boolean>((resolve) => {
        socket.once("data", () => resolve(true)).once("close", () => resolve(false));
      }),
    );
  }
  expect(answers.length).toBeGreaterThan(5);
  expect(answers).not.toContain(false);
});

test("a port that is closed before the handles come stays closed", async () => {
  const listening = await open();
  const port = portOf(listening);
  acceptMore([listening], (_level, event) => void logged.push(event));
  await drain();
  await expect
    .poll(
      async () => {
        const taken = createServer().listen(port, "127.0.0.1");
        const isFree = await Promise.race([
          once(taken, "listening").then(() => true),
          once(taken, "error").then(() => false),
        ]);
        taken.close();
        return isFree;
      },
      { timeout: 10_000 },
    )
    .toBe(true);
  expect(listening.more.size).toBe(0);
});

test("a port may be closed at any moment while the handles come: nothing is thrown", async () => {
  const thrown: unknown[] = [];
  const note = (error: unknown) => void thrown.push(error);
  process.on("uncaughtException", note);
  for (let ms = 0; ms < 100; ms += 2) {
    const listening = [await open(), await open()];
    acceptMore(listening, () => undefined);
    await sleep(ms);
    await drain();
    opened = [];
  }
  await sleep(200);
  process.off("uncaughtException", note);
  expect(thrown).toEqual([]);
});
