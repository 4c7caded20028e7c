import { expect, test } from "vitest";
import { networkOf } from "./client-network.ts";

test.each([
  ["203.0.113.7", "203.0.113.7", null],
  ["::ffff:203.0.113.7", "203.0.113.7", null],
  ["::FFFF:cb00:7107", "203.0.113.7", null],
  ["0:0:0:0:0:ffff:cb00:7107", "203.0.113.7", null],
  ["64:ff9b::203.0.113.7", "203.0.113.7", null],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"],
  ["2001:0DB8:0001:0002:ffff::1", "2001:db8:1:2::/64", "2001:db8:1::/48"],
  ["2001:db8::1", "2001:db8:0:0::/64", "2001:db8:0::/48"],
  ["fe80::1%eth0", "fe80:0:0:0::/64", "fe80:0:0::/48"],
  ["::1", "0:0:0:0::/64", "0:0:0::/48"],
  ["", "", null],
  ["nonsense", "nonsense", null],
])("%s counts as %s of %s", (address, network, site) => {
  expect(networkOf(address)).toEqual({ network, site });
});
