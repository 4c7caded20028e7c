import { expect, test } from "vitest";
import { createPublicAddress } from "./public-address.ts";

const ports = { web: 3000, api: 8080 };
const unset = createPublicAddress({ configured: { page: undefined, api: undefined }, ports });

const cases: [what: string, client: { host: string; isHttps: boolean }, page: string, api: string][] = [
  ["this machine", { host: "localhost:3000", isHttps: false }, "http://localhost:3000", "http://localhost:8080/v1"],
  [
    "a name of the network",
    { host: "gateway.lan:3000", isHttps: false },
    "http://gateway.lan:3000",
    "http://gateway.lan:8080/v1",
  ],
  [
    "a number",
    { host: "192.168.1.20:3000", isHttps: false },
    "http://192.168.1.20:3000",
    "http://192.168.1.20:8080/v1",
  ],
  ["IPv6", { host: "[2001:db8::7]:3000", isHttps: false }, "http://[2001:db8::7]:3000", "http://[2001:db8::7]:8080/v1"],
  [
    "another port in front",
    { host: "gateway.lan:9000", isHttps: false },
    "http://gateway.lan:9000",
    "http://gateway.lan:9000/v1",
  ],
  ["no port", { host: "gateway.lan", isHttps: false }, "http://gateway.lan", "http://gateway.lan/v1"],
  ["TLS in front", { host: "ai.example.com", isHttps: true }, "https://ai.example.com", "https://ai.example.com/v1"],
];

test.each(cases)("opened at %s", (_what, client, page, api) => {
  expect([unset.pageUrl(client), unset.apiUrl(client)]).toEqual([page, api]);
});

test.each([
  "",
  "$(reboot)",
  'a"b',
  "a b",
  "evil.example/x",
  "user@evil.example",
  "a\nb",
  "[::1",
  "x".repeat(300),
  "a:99999",
])("%j is no host to show", (host) => {
  expect(unset.pageUrl({ host, isHttps: false })).toBe("http://localhost:3000");
});

test("what the operator says counts, wherever a page was opened", () => {
  const client = { host: "10.0.0.5:3000", isHttps: false };
  const plain = createPublicAddress({ configured: { page: "http://gw.example.com", api: undefined }, ports });
  expect([plain.pageUrl(client), plain.apiUrl(client)]).toEqual([
    "http://gw.example.com",
    "http://gw.example.com:8080/v1",
  ]);
  const tls = createPublicAddress({ configured: { page: "https://gw.example.com", api: undefined }, ports });
  expect(tls.apiUrl(client)).toBe("https://gw.example.com/v1");
  const own = createPublicAddress({ configured: { page: undefined, api: "https://api.example.com/v1" }, ports });
  expect([own.pageUrl(client), own.apiUrl(client)]).toEqual(["http://10.0.0.5:3000", "https://api.example.com/v1"]);
});
