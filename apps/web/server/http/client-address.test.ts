import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { createClientAddress } from "./client-address.ts";

const proxied = createClientAddress(["127.0.0.1", "10.0.0.0/8"]);

const from = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers: { host: "inside:3000", ...headers } }) as unknown as IncomingMessage;

const cases: [why: string, req: IncomingMessage, address: string][] = [
  ["a stranger's word does not count", from("203.0.113.9", { "x-forwarded-for": "1.2.3.4" }), "203.0.113.9"],
  ["a proxy's word counts", from("127.0.0.1", { "x-forwarded-for": "203.0.113.9" }), "203.0.113.9"],
  ["IPv4 within IPv6 is IPv4", from("::ffff:127.0.0.1", { "x-forwarded-for": "::ffff:203.0.113.9" }), "203.0.113.9"],
  [
    "what the client put before it does not",
    from("127.0.0.1", { "x-forwarded-for": "1.2.3.4, 203.0.113.9" }),
    "203.0.113.9",
  ],
  [
    "proxies may stand in a row",
    from("127.0.0.1", { "x-forwarded-for": "1.2.3.4, 203.0.113.9, 10.1.1.1" }),
    "203.0.113.9",
  ],
  ["what is no address is left out", from("127.0.0.1", { "x-forwarded-for": "203.0.113.9, unknown" }), "127.0.0.1"],
  ["a port is no part of it", from("127.0.0.1", { "x-forwarded-for": "203.0.113.9:55123" }), "203.0.113.9"],
  ["nor of IPv6", from("127.0.0.1", { "x-forwarded-for": "[2001:db8::7]:443" }), "2001:db8::7"],
  ["brackets alone", from("127.0.0.1", { "x-forwarded-for": "[2001:DB8:0:0::7]" }), "2001:db8::7"],
  ["one address has one spelling", from("127.0.0.1", { "x-forwarded-for": "2001:0DB8:0:0:0:0:0:0007" }), "2001:db8::7"],
  ["IPv4 within IPv6, in hexadecimal", from("127.0.0.1", { "x-forwarded-for": "::ffff:cb00:7109" }), "203.0.113.9"],
  ["in quotes", from("127.0.0.1", { "x-forwarded-for": '"[2001:db8::7]:443"' }), "2001:db8::7"],
  ["a zone", from("127.0.0.1", { "x-forwarded-for": "fe80::1%eth0" }), "fe80::1"],
  ["a port without an address", from("127.0.0.1", { "x-forwarded-for": ":443" }), "127.0.0.1"],
  ["proxies with ports in a row", from("127.0.0.1", { "x-forwarded-for": "203.0.113.9:1, 10.1.1.1:2" }), "203.0.113.9"],
  ["a proxy without a word is the client", from("10.2.2.2"), "10.2.2.2"],
];

test.each(cases)("%s", (_why, req, address) => {
  expect(proxied.of(req)).toBe(address);
});

test("without trusted proxies nobody's word counts", () => {
  expect(createClientAddress([]).of(from("127.0.0.1", { "x-forwarded-for": "1.2.3.4" }))).toBe("127.0.0.1");
});

test("the host is the one that a proxy was asked for, and a stranger cannot say so", () => {
  const forwarded = { "x-forwarded-host": "gateway.example.com" };
  expect(proxied.hostOf(from("127.0.0.1", forwarded))).toBe("gateway.example.com");
  expect(proxied.hostOf(from("203.0.113.9", forwarded))).toBe("inside:3000");
  expect(proxied.hostOf(from("127.0.0.1"))).toBe("inside:3000");
});

test("TLS is what a proxy says of it, and a stranger cannot say so", () => {
  const forwarded = { "x-forwarded-proto": "https" };
  expect(proxied.isHttpsOf(from("127.0.0.1", forwarded))).toBe(true);
  expect(proxied.isHttpsOf(from("127.0.0.1", { "x-forwarded-proto": "HTTPS, http" }))).toBe(true);
  expect(proxied.isHttpsOf(from("203.0.113.9", forwarded))).toBe(false);
  expect(proxied.isHttpsOf(from("127.0.0.1"))).toBe(false);
});

test("a list with something else in it is one sentence", () => {
  expect(() => createClientAddress(["loopback"])).toThrow("TRUSTED_PROXIES names loopback");
});
