import { expect, test } from "vitest";
import { limitsWithin } from "./open-files.ts";

const usual = { maxConnections: 10_000, maxPerAddress: 1_000 };

test.each([
  ["nothing is known", null, 2, usual],
  ["there is no limit", Number.POSITIVE_INFINITY, 2, usual],
  ["it is enough for both ports", 40_512, 2, usual],
  ["it is enough for one port", 20_512, 1, usual],
  ["it is not enough", 20_512, 2, { maxConnections: 5_000, maxPerAddress: 1_000 }],
  ["it is a shell's", 1_024, 2, { maxConnections: 128, maxPerAddress: 128 }],
  ["it is next to nothing", 64, 2, { maxConnections: 16, maxPerAddress: 16 }],
])("the connections fit into the files where %s", (_where, openFiles, ports, limits) => {
  expect(limitsWithin(openFiles, ports)).toEqual(limits);
});
