import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { isPublicAddress, type Alert } from "@codex-gateway/domain";
import { isPublicAddress as isPublicToGateway } from "@codex-gateway/gateway";
import { afterEach, expect, test } from "vitest";
import { connectTo } from "./outbound-socket.ts";
import { sendEmail } from "./send-email.ts";
import { sendWebhook } from "./send-webhook.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

const alert: Alert = { id: "1", kind: "test", facts: {}, createdAt: new Date(0) };

/** On every address of this machine; counts who gets through. */
async function listening(server: Server): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  closers.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

const silent = () => createServer((socket) => socket.on("error", () => undefined).end());

const hosts = ["localhost", "127.0.0.1", "[::1]", "[::]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"];

test.each(hosts)("%s is never connected to, and is where private addresses are allowed", async (host) => {
  const { port, connections } = await listening(silent());
  const hostname = new URL(`https://${host}`).hostname;
  const target = { host: hostname, port, isPrivateAllowed: false };
  await expect(connectTo(target, AbortSignal.timeout(5_000))).rejects.toMatchObject({ code: "PRIVATE_ADDRESS" });
  const url = `https://${hostname}:${port}/`;
  const webhook = await sendWebhook({ url, secret: "s", isPrivateAllowed: false }, alert, null);
  expect(webhook).toBe("The address must be public and start with https; a setting allows private ones.");
  const addresses = { from: "a@example.com", to: "b@example.com", isTlsRequired: false };
  const smtpUrl = `smtp://user:password@${hostname}:${port}`;
  const email = await sendEmail({ smtpUrl, ...addresses, isPrivateAllowed: false }, alert, null);
  expect(email).toBe("The mail server must be public; a setting allows private ones.");
  expect(connections()).toBe(0);
  (await connectTo({ ...target, isPrivateAllowed: true }, AbortSignal.timeout(5_000))).destroy();
  expect(connections()).toBe(1);
});

test.each([
  "169.254.169.254",
  "100.64.0.1",
  "224.0.0.1",
  "[64:ff9b::7f00:1]",
  "[fe80::1]",
  "[2002:7f00:1::]",
  "10.0.0.1",
])("%s is refused without a try", async (host) => {
  const target = { host, port: 80, isPrivateAllowed: false };
  await expect(connectTo(target, AbortSignal.timeout(5_000))).rejects.toMatchObject({ code: "PRIVATE_ADDRESS" });
});

test("plain http goes to private hosts alone, where they are allowed", async () => {
  const fault = await sendWebhook({ url: "http://192.0.2.1/", secret: "s", isPrivateAllowed: false }, alert, null);
  expect(fault).toMatch(/must be public and start with https/);
});

test("an endless answer is not read", async () => {
  const server = createHttpServer((_req, res) => {
    res.writeHead(200);
    const more = setInterval(() => res.write(Buffer.alloc(100_000)), 1);
    res.on("close", () => clearInterval(more));
  });
  const { port } = await listening(server);
  const url = `http://127.0.0.1:${port}/`;
  expect(await sendWebhook({ url, secret: "s", isPrivateAllowed: true }, alert, null)).toBeNull();
});

test.each([
  ["554 the secret of port 22\r\n", "The mail server refuses the message with code 554."],
  ["SSH-2.0-OpenSSH_9.9 secret\r\n", "The mail server cannot be reached."],
  ["-ERR secret unknown command\r\n", "The mail server cannot be reached."],
])("what a mail server says first is not shown: %s", async (banner, sentence) => {
  const { port } = await listening(createServer((socket) => socket.on("error", () => undefined).end(banner)));
  const target = { from: "a@example.com", to: "b@example.com", isTlsRequired: false, isPrivateAllowed: true };
  const fault = await sendEmail({ smtpUrl: `smtp://127.0.0.1:${port}`, ...target }, alert, null);
  expect(fault).toBe(sentence);
});

test("upstreams, webhooks and mail servers go by the same list of addresses", () => {
  const others: string[] = [];
  const compare = (address: string) => {
    if (isPublicAddress(address) !== isPublicToGateway(address)) others.push(address);
  };
  // The step has nothing in common with the networks' bounds.
  for (let n = 0; n < 65_536; n += 3) {
    const [a, b, group] = [n >> 8, n & 255, n.toString(16)];
    compare(`${a}.${b}.0.1`);
    compare(`${a}.${b}.2.1`);
    compare(`${a}.${b}.100.1`);
    compare(`${a}.${b}.113.255`);
    for (const address of [`${group}::1`, `2001:${group}::1`, `::ffff:${a}.${b}.0.1`, `64:ff9b::${a}.${b}.0.1`])
      compare(address);
  }
  for (const text of ["", "example.com", "127.1", "[::1]", "::1%eth0", "fe80::1%1"]) compare(text);
  expect(others).toEqual([]);
});
