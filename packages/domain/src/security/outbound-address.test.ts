import { expect, test } from "vitest";
import { isPrivateHost, isPublicAddress } from "./outbound-address.ts";

const inner = [
  ...[
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.168.1.1",
    "198.18.0.1",
  ],
  ...["224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "64:ff9b::7f00:1"],
  ...["64:ff9b:1::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1"],
];

test.each(inner)("%s is no public address", (address) => {
  expect([isPublicAddress(address), isPrivateHost(address), isPrivateHost(`[${address}]`)]).toEqual([
    false,
    true,
    true,
  ]);
});

test.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"])(
  "%s is public",
  (address) => {
    expect([isPublicAddress(address), isPrivateHost(address)]).toEqual([true, false]);
  },
);

test.each(["localhost", "LOCALHOST.", "db.internal", "printer.local", "x.localhost", "router.home.arpa"])(
  "%s is a private name",
  (name) => {
    expect(isPrivateHost(name)).toBe(true);
  },
);

test.each(["example.com", "local.example.com", "notlocal", "internal.example"])("%s may be public", (name) => {
  expect([isPrivateHost(name), isPublicAddress(name)]).toEqual([false, false]);
});
