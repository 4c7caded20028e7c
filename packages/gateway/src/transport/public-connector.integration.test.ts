import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { isPublicAddress } from "./public-connector.ts";
import { createUpstreamClient, defaultTimeouts } from "./upstream-client.ts";

const inner = [
  ["127.0.0.1", "10.0.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"],
  [
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
  ],
  ["", "example.com", "127.1", "999.1.1.1"],
].flat();

test.each(inner)("%o is no public address", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"])(
  "%o is public",
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

const hosts = ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"];

test.each(hosts)("https://%s is never connected to, and is where private addresses are allowed", async (host) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const baseUrl = new URL(`https://${host}:${(server.address() as AddressInfo).port}/v1`).href;
  const client = createUpstreamClient(Date.now, () => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: false }));
  const probed = await client.probe({ baseUrl, apiKey: "sk" }, { allowsPrivateAddresses: false });
  expect(probed).toMatchObject({ error: { code: "PRIVATE_ADDRESS" } });
  const upstream = { id: "u", baseUrl, apiKey: "sk", organization: null, project: null, weight: 1 };
  const call = {
    path: "/x",
    method: "POST" as const,
    headers: {},
    body: Buffer.from("{}"),
    added: [],
    bodyWithout: () => Buffer.from("{}"),
    isStream: false,
    model: "m",
    userId: "",
    upstreamId: null,
    signal: null,
  };
  expect(await client.dispatch(call, [upstream])).toMatchObject({ fault: "unavailable" });
  expect(connections).toBe(0);
  await client.probe({ baseUrl, apiKey: "sk" }, { allowsPrivateAddresses: true });
  expect(connections).toBe(1);
  await client.close();
  server.close();
});

test("plain http is refused, wherever it leads", async () => {
  const client = createUpstreamClient(Date.now, () => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: false }));
  const probed = await client.probe({ baseUrl: "http://8.8.8.8/v1", apiKey: "sk" }, { allowsPrivateAddresses: false });
  expect(probed).toMatchObject({ error: { code: "PRIVATE_ADDRESS" } });
  await client.close();
});
