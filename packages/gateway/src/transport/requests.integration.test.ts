/** Requests as clients really send them, and upstreams as they really take them. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { sendJson, startScripted, type Scripted } from "../testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(...args: Parameters<typeof startScripted>): Promise<Scripted> {
  running = await startScripted(...args);
  return running;
}

const answer = { id: "a", choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } };
const post = ({ url }: Scripted, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", ...headers },
    body: typeof body === "string" ? body : new Uint8Array(body),
  });

const asked = '{"model":"m","safety_identifier":"x","messages":[]}';

describe("a packed body", () => {
  test.each<[string, (text: string) => Buffer]>([
    ["gzip", gzipSync],
    ["GZIP", gzipSync],
    ["x-gzip", gzipSync],
    ["br", brotliCompressSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["identity", (text) => Buffer.from(text)],
  ])("goes upstream as it was before it was packed: %s", async (encoding, pack) => {
    const up = await start((res) => sendJson(res, answer));
    expect((await post(up, pack(asked), { "content-encoding": encoding })).status).toBe(200);
    expect(up.bodies).toEqual([asked]);
    expect(up.upstreamHeaders[0]).not.toHaveProperty("content-encoding");
  });

  test.each<[string, string, Buffer, number]>([
    ["a packing that nobody knows", "lzma", Buffer.from("x"), 415],
    ["two packings", "gzip, br", gzipSync(asked), 415],
    ["a name of JavaScript's", "constructor", Buffer.from(asked), 415],
    ["what is not packed", "gzip", Buffer.from(asked), 400],
    ["what is cut off", "br", brotliCompressSync(asked).subarray(0, 9), 400],
    ["nothing", "gzip", Buffer.alloc(0), 400],
    ["what unpacks to more than a body may have", "gzip", gzipSync(Buffer.alloc(40_000_000, " ")), 413],
  ])("that is %s is refused before a hold", async (_what, encoding, body, status) => {
    const up = await start((res) => sendJson(res, answer));
    const response = await post(up, body, { "content-encoding": encoding });
    expect([response.status, up.holds.length]).toEqual([status, 0]);
    if (status === 415) expect(await response.text()).toContain("gzip, deflate, br");
  });

  test("counts as large as it unpacks to", async () => {
    const up = await start(
      (res) => sendJson(res, answer),
      {},
      { budgets: { requestBytes: { perUser: 1_000_000, inAll: 9e9 } } },
    );
    const large = gzipSync(`{"model":"m","x":"${"a".repeat(2_000_000)}"}`);
    expect((await post(up, large, { "content-encoding": "gzip" })).status).toBe(429);
  });
});

test("a client that sends all of a body that is too large reads why it was refused", { timeout: 30_000 }, async () => {
  const up = await start(
    (res) => sendJson(res, answer),
    {},
    { requestPolicy: () => ({ maxBodyBytes: 1_000_000, allowedOrigins: new Set() }) },
  );
  const { hostname, port } = new URL(up.url);
  const bytes = Buffer.alloc(20_000_000, "x");
  for (let n = 0; n < 10; n++) {
    const client = connect(Number(port), hostname);
    let text = "";
    client.on("data", (chunk: Buffer) => (text += chunk.toString()));
    client.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-good\r\ncontent-length: ${bytes.length}\r\n\r\n`,
    );
    client.write(bytes);
    await once(client, "end");
    expect(text).toMatch(/^HTTP\/1.1 413 /);
    expect(text).toContain("The body is too large.");
    client.destroy();
  }
});

describe("a kept connection that the upstream has closed meanwhile", () => {
  /** Answers the first call of a connection, and resets it at the second, as balancers do. */
  async function startResetting({ resetsFirst = false } = {}) {
    const sockets = new Set<Socket>();
    let calls = 0;
    const server = createServer((socket) => {
      sockets.add(socket);
      let served = 0;
      socket.on("error", () => undefined);
      socket.on("data", () => {
        calls++;
        if (served++ > 0 || resetsFirst) {
          socket.resetAndDestroy();
          return;
        }
        const body = JSON.stringify(answer);
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const up = await start(() => undefined, {
      listUpstreams: () => [upstream],
    });
    const upstream = { ...up.upstream, baseUrl: `http://127.0.0.1:${port}/v1` };
    const stop = () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    };
    return { up, stop, calls: () => calls };
  }

  test("is no fault that a client sees: the call is sent again once, on a fresh one", async () => {
    const { up, stop, calls } = await startResetting();
    for (let n = 0; n < 6; n++) expect((await post(up, asked)).status).toBe(200);
    stop();
    expect(calls()).toBeGreaterThan(6);
    expect(up.settlements.filter(({ outcome }) => outcome === "captured")).toHaveLength(6);
  });

  test("a fresh connection that is reset is a fault: nothing is sent twice", async () => {
    const { up, stop, calls } = await startResetting({ resetsFirst: true });
    expect((await post(up, asked)).status).toBe(502);
    stop();
    expect(calls()).toBe(1);
  });
});

describe("an upstream that does not take what is added here", () => {
  const strict = (name: string, status: number, refusal: (name: string) => object) =>
    start((res) => {
      const isRefused = running!.bodies.at(-1)!.includes(`"${name}"`);
      if (isRefused) sendJson(res, refusal(name), status);
      else sendJson(res, answer);
    });

  test.each<[string, number, (name: string) => object]>([
    ["safety_identifier", 400, (name) => ({ error: { message: `Unrecognized request argument supplied: ${name}` } })],
    [
      "safety_identifier",
      422,
      (name) => ({ detail: [{ loc: ["body", name], msg: "Extra inputs are not permitted" }] }),
    ],
    ["stream_options", 400, (name) => ({ object: "error", message: `${name} is not supported`, code: 400 })],
  ])("is asked once more without %s (%i), and from then on so", async (name, status, refusal) => {
    const up = await strict(name, status, refusal);
    const body = '{"model":"m","stream":true,"messages":[]}';
    expect((await post(up, body)).status).toBe(200);
    expect(up.bodies).toHaveLength(2);
    expect((await post(up, body)).status).toBe(200);
    expect(up.bodies).toHaveLength(3);
    expect(up.bodies.slice(1).join("")).not.toContain(name);
  });

  test("what the client itself has sent is not taken out", async () => {
    const up = await strict("safety_identifier", 400, (name) => ({ error: { message: `Unknown: ${name}` } }));
    expect((await post(up, asked)).status).toBe(400);
    expect(up.bodies).toHaveLength(1);
  });

  test("is not even asked with it where its owner has said so", async () => {
    const up = await start((res) => sendJson(res, answer));
    up.upstream.addsMembers = false;
    expect((await post(up, '{"model":"m","stream":true,"messages":[]}')).status).toBe(200);
    expect((await post(up, asked)).status).toBe(200);
    expect(up.bodies).toEqual(['{"model":"m","stream":true,"messages":[]}', asked]);
  });

  test("another refusal is passed on at once", async () => {
    const up = await start((res) => sendJson(res, { error: { message: "messages is too short" } }, 400));
    expect((await post(up, '{"model":"m"}')).status).toBe(400);
    expect(up.bodies).toHaveLength(1);
  });
});

test("the list of models has a tag, by which a client that knows it gets no second copy", async () => {
  const up = await start((res) => sendJson(res, answer));
  const ask = (headers = {}) => fetch(`${up.url}/models`, { headers: { authorization: "Bearer sk-good", ...headers } });
  const etag = (await ask()).headers.get("etag")!;
  expect(etag).toMatch(/^"[\w-]+"$/);
  const again = await ask({ "if-none-match": `W/"x", ${etag}` });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await ask({ "if-none-match": '"another"' })).status).toBe(200);
});

test.each(["max_completion_tokens", "best_of", "max_tool_calls"])("%s of zero is legal", async (name) => {
  const up = await start((res) => sendJson(res, answer));
  expect((await post(up, JSON.stringify({ model: "m", [name]: 0 }))).status).toBe(200);
});

describe("pages in browsers", () => {
  const origin = "https://chat.example.com";
  const requestPolicy = () => ({ maxBodyBytes: 1_000_000, allowedOrigins: new Set([origin]) });
  const preflight = ({ url }: Scripted, from: string) =>
    fetch(`${url}/chat/completions`, {
      method: "OPTIONS",
      headers: {
        origin: from,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-lang",
      },
    });

  test("of a named origin may ask whether they may call, and then call", async () => {
    const up = await start((res) => sendJson(res, answer), {}, { requestPolicy });
    const asked = await preflight(up, origin);
    expect([asked.status, Object.fromEntries(asked.headers)]).toMatchObject([
      204,
      {
        "access-control-allow-origin": origin,
        "access-control-allow-headers": "authorization,x-stainless-lang",
        vary: "Origin",
      },
    ]);
    const called = await post(up, '{"model":"m"}', { origin });
    expect([called.status, called.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
    const refused = await fetch(`${up.url}/models`, { headers: { origin } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, origin]);
  });

  test.each(["https://other.example.com", "https://chat.example.com.evil.example", "null"])(
    "of %s may not, and nobody else is told anything",
    async (from) => {
      const up = await start((res) => sendJson(res, answer), {}, { requestPolicy });
      const asked = await preflight(up, from);
      expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([404, null]);
      const called = await post(up, '{"model":"m"}');
      expect(called.headers.get("access-control-allow-origin")).toBeNull();
    },
  );
});
