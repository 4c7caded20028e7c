import { expect, test } from "vitest";
import { isSameOrigin } from "./same-origin.ts";

const client = { origin: "https://gateway.example.com", host: "10.0.0.5:3000" };

const cases: [who: string, method: string, headers: Record<string, string>, isOurs: boolean][] = [
  ["a read from anywhere", "GET", { origin: "https://evil.example" }, true],
  ["our page", "POST", { "sec-fetch-site": "same-origin", origin: client.origin }, true],
  ["a typed address", "POST", { "sec-fetch-site": "none" }, true],
  ["another site", "POST", { "sec-fetch-site": "cross-site", origin: client.origin }, false],
  ["a neighbour under the same domain", "POST", { "sec-fetch-site": "same-site" }, false],
  ["an old browser on the public address", "POST", { origin: client.origin }, true],
  ["an old browser on the address that a proxy was asked for", "POST", { origin: "http://10.0.0.5:3000" }, true],
  ["an old browser on another site", "POST", { origin: "https://evil.example" }, false],
  ["a sandboxed page", "POST", { origin: "null" }, false],
  ["nobody known", "POST", {}, false],
];

test.each(cases)("%s, %s", (_who, method, headers, isOurs) => {
  expect(isSameOrigin({ method, headers: new Headers(headers) }, client)).toBe(isOurs);
});
