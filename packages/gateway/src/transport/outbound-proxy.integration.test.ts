import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sendJson, startScripted, type Scripted } from "../testing/scripted.ts";
import { requirePublicTarget } from "./public-connector.ts";
import { defaultTimeouts } from "./upstream-client.ts";

let running: Scripted | null = null;
let asked: string[] = [];
let refusesWith: number | null = null;
const proxy = createServer();
proxy.on("connect", (req: IncomingMessage, client: Socket) => {
  asked.push(`${req.url} ${req.headers["proxy-authorization"] ?? ""}`);
  if (refusesWith !== null) {
    client.end(`HTTP/1.1 ${refusesWith} No\r\n\r\n`);
    return;
  }
  const [host = "", port] = (req.url ?? "").split(":");
  const server = connect(Number(port), host, () => {
    client.write("HTTP/1.1 200 OK\r\n\r\n");
    server.pipe(client).pipe(server);
  });
  for (const socket of [client, server]) socket.on("error", () => undefined);
});

beforeEach(async () => {
  asked = [];
  refusesWith = null;
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  await running?.stop();
  running = null;
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
});

const proxyUrl = () => `http://user:word@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
const answer = { id: "a", choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } };

async function start(noProxy = "", allowsPrivateAddresses = true): Promise<Scripted> {
  running = await startScripted(
    (res) => sendJson(res, answer),
    {},
    {
      proxy: { httpProxy: proxyUrl(), httpsProxy: proxyUrl(), noProxy },
      upstreamPolicy: () => ({ timeouts: defaultTimeouts, allowsPrivateAddresses }),
    },
  );
  return running;
}
const post = ({ url }: Scripted) =>
  fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good" },
    body: '{"model":"m","messages":[]}',
  });

describe("with a proxy", () => {
  test("calls go through it, with its user and password", async () => {
    const up = await start();
    expect((await post(up)).status).toBe(200);
    expect(asked).toEqual([`${new URL(up.upstream.baseUrl).host} Basic ${btoa("user:word")}`]);
    expect(up.upstreamHeaders[0]).not.toHaveProperty("proxy-authorization");
  });

  test.each(["127.0.0.1", "other.example, 127.0.0.1", "*"])("but not to whom NO_PROXY names: %s", async (noProxy) => {
    expect((await post(await start(noProxy))).status).toBe(200);
    expect(asked).toEqual([]);
  });

  test("that refuses, nothing was sent and nothing is charged", async () => {
    refusesWith = 407;
    const up = await start();
    expect((await post(up)).status).toBe(503);
    expect(up.settlements).toMatchObject([{ outcome: "released" }]);
  });

  test("a private upstream is refused as without one, before the proxy hears of it", async () => {
    expect((await post(await start("", false))).status).toBe(503);
    expect(asked).toEqual([]);
  });
});

test.each([
  ["https://127.0.0.1/v1", false],
  ["https://[::1]/v1", false],
  ["https://localhost/v1", false],
  ["http://8.8.8.8/v1", false],
  ["https://8.8.8.8/v1", true],
  ["https://only-the-proxy-knows.invalid/v1", true],
])("a proxy may be asked for %s: %s", async (url, isAllowed) => {
  const checked = requirePublicTarget(new URL(url));
  if (isAllowed) await checked;
  else await expect(checked).rejects.toMatchObject({ code: "PRIVATE_ADDRESS" });
});
