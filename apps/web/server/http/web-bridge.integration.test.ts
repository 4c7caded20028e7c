import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test } from "vitest";
import { answerWithWebHandler, type WebHandler } from "./web-bridge.ts";

setFlagsFromString("--expose_gc");
const collectGarbage = runInNewContext("gc") as () => void;
const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

async function serve(handler: WebHandler, options: { stallMs?: number } = {}): Promise<number> {
  const server = createServer(
    (req, res) =>
      void answerWithWebHandler(
        req,
        res,
        { address: "", host: "", isHttps: false, origin: "http://gateway.test" },
        handler,
        options,
      ),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.on("checkContinue", (req, res) => server.emit("request", req, res));
  closers.push(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

const get = (port: number): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    httpRequest({ port, path: "/x?y=1" }, resolve).on("error", reject).end();
  });

test("two cookies stay two headers, and the body arrives", async () => {
  const port = await serve(async ({ request }) => {
    const headers = new Headers([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    return new Response(request.url, { headers });
  });
  const answer = await get(port);
  expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  expect(Buffer.concat(await answer.toArray()).toString()).toBe("http://gateway.test/x?y=1");
});

test("a client that leaves after a garbage collection cancels the stream within 250 ms", async () => {
  let cancelled: (atMs: number) => void;
  const cancelledAtMs = new Promise<number>((resolve) => (cancelled = resolve));
  const port = await serve(async () => {
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => controller.enqueue(Buffer.from("first")),
        pull: () => new Promise<void>(() => undefined),
        cancel: () => cancelled(performance.now()),
      },
      { highWaterMark: 1 },
    );
    return new Response(body);
  });
  const answer = await get(port);
  await new Promise((resolve) => answer.once("data", resolve));
  collectGarbage();
  const leftAtMs = performance.now();
  answer.destroy();
  expect((await cancelledAtMs) - leftAtMs).toBeLessThan(250);
});

test("a client that never reads costs no more than 16 MiB", async () => {
  let sentBytes = 0;
  const chunk = new Uint8Array(64 * 1024);
  const port = await serve(
    async () =>
      new Response(
        new ReadableStream<Uint8Array>({
          pull(controller) {
            sentBytes += chunk.length;
            controller.enqueue(chunk);
          },
        }),
      ),
  );
  const answer = await get(port);
  answer.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(sentBytes).toBeGreaterThan(0);
  expect(sentBytes).toBeLessThan(16 * 1024 * 1024);
  answer.destroy();
});

test("a stream that breaks is a broken connection, not a clean end", async () => {
  const port = await serve(async () => {
    let pulls = 0;
    return new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (pulls++ === 0) controller.enqueue(Buffer.from("part"));
          else controller.error(new Error("upstream died"));
        },
      }),
    );
  });
  const answer = await get(port);
  await expect(answer.toArray()).rejects.toThrow("aborted");
});

test("a reader that takes nothing for a while is turned out", async () => {
  let cancelled = false;
  const handler: WebHandler = async () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(Buffer.alloc(1_000_000)),
        cancel: () => void (cancelled = true),
      }),
    );
  const port = await serve(handler, { stallMs: 100 });
  const answer = await get(port);
  answer.on("error", () => undefined);
  await expect.poll(() => cancelled, { timeout: 3_000 }).toBe(true);
});

/** Sends the head, and then bytes for as long as the connection takes them; answers with what came back. */
function sendWithoutEnd(port: number, { bytes }: { bytes: number }): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n");
      socket.write(Buffer.alloc(bytes));
    });
    socket.on("data", (text: Buffer) => (answer += text.toString()));
    socket.on("error", () => undefined).on("close", () => resolve(answer));
  });
}

const refusal: WebHandler = async () => new Response("too large", { status: 413, headers: { "content-length": "9" } });

test(
  "a client that is refused while it sends reads why, and is not heard to the end",
  { timeout: 30_000 },
  async () => {
    const port = await serve(refusal);
    const answers = await Promise.all([0, 1_000, 20_000_000].map((bytes) => sendWithoutEnd(port, { bytes })));
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 413 [^]*connection: close[^]*too large$/i);
  },
);

test("a client that waits for leave is told at once, and one that has it sends its body", async () => {
  const ask = (port: number) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const socket = connect(port, "127.0.0.1", () =>
        socket.write("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"),
      );
      socket.on("data", (text: Buffer) => {
        answer += text.toString();
        if (answer.endsWith("100 Continue\r\n\r\n")) socket.write("{}");
        if (/\r\n\r\n(?:too large|2)$/.test(answer)) socket.end();
      });
      socket.on("close", () => resolve(answer));
    });
  expect(await ask(await serve(refusal))).toMatch(/^HTTP\/1.1 413 /);
  const reading: WebHandler = async ({ request }) => {
    const { length } = await request.text();
    return new Response(String(length), { headers: { "content-length": "1" } });
  };
  expect(await ask(await serve(reading))).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
});

test("a request that breaks off is told to whoever reads its body", async () => {
  let failed: (error: Error) => void;
  const failure = new Promise<Error>((resolve) => (failed = resolve));
  const port = await serve(async ({ request }) => {
    await request.text().catch((error: unknown) => failed(error as Error));
    return new Response(null);
  });
  const socket = connect(port, "127.0.0.1", () => {
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf");
    setTimeout(() => socket.destroy(), 50);
  });
  expect((await failure).message).toMatch(/./);
});
