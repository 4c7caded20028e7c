import { expect, test } from "vitest";
import { checkedBaseUrl } from "./upstreams.ts";

test("a public https address is taken without its last slash", () => {
  expect(checkedBaseUrl("https://api.openai.com/v1/", false)).toBe("https://api.openai.com/v1");
});

test.each([
  "http://api.openai.com/v1",
  "https://localhost/v1",
  "https://127.0.0.1/v1",
  "https://2130706433/v1",
  "https://10.0.0.5/v1",
  "https://169.254.169.254/latest",
  "https://[::1]/v1",
  "https://[::ffff:127.0.0.1]/v1",
  "https://db.internal/v1",
])("%s is refused unless private addresses are allowed", (address) => {
  expect(() => checkedBaseUrl(address, false)).toThrow(/public/);
  expect(checkedBaseUrl(address, true)).toMatch(/^https?:/);
});

test.each([
  "",
  "api.openai.com",
  "ftp://x.example/v1",
  "https://user:pass@x.example/v1",
  "https://:pass@x.example",
  "https://x.example/v1?a=1",
])("%j is no address of an upstream", (address) => {
  expect(() => checkedBaseUrl(address, true)).toThrow(/such as/);
});
