import { expect, test } from "vitest";
import { isNetwork, networksOf } from "./networks.ts";

test("addresses and networks of both kinds are listed, and nothing else is", () => {
  const networks = networksOf("LIST", ["10.0.0.0/8", "203.0.113.7", "2001:db8::/32"]);
  expect(["10.1.2.3", "::ffff:10.1.2.3", "203.0.113.7", "2001:db8::1"].map((each) => networks.has(each))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(["11.0.0.1", "203.0.113.8", "2001:db9::1", "", "10.1.2.3:80"].some((each) => networks.has(each))).toBe(false);
});

test.each(["10.0.0.0/33", "10.0.0/8", "example.com", "::/129", "10.0.0.0/", "10.0.0.0/8/8", ""])(
  "%o is no network",
  (entry) => {
    expect(isNetwork(entry)).toBe(false);
    expect(() => networksOf("LIST", [entry])).toThrow("LIST names");
  },
);
