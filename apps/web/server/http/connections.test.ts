import { expect, test } from "vitest";
import { defaultConnectionLimits, shareOfAddress } from "./connections.ts";

/** How many each of so many greedy addresses gets, and what is free then. */
function fill(addresses: number): { least: number; free: number } {
  const counts = Array<number>(addresses).fill(0);
  let open = 0;
  for (let isTaking = true; isTaking;) {
    isTaking = false;
    for (const [address, count] of counts.entries()) {
      if (open >= defaultConnectionLimits.maxConnections) break;
      if (count >= shareOfAddress(open, defaultConnectionLimits)) continue;
      counts[address] = count + 1;
      open++;
      isTaking = true;
    }
  }
  return { least: Math.min(...counts), free: defaultConnectionLimits.maxConnections - open };
}

test("an address may have a thousand while there is room", () => {
  expect(shareOfAddress(0, defaultConnectionLimits)).toBe(1_000);
  expect(shareOfAddress(6_000, defaultConnectionLimits)).toBe(1_000);
  expect(shareOfAddress(8_000, defaultConnectionLimits)).toBe(500);
});

test.each([
  [1, 9_000],
  [12, 2_500],
  [100, 384],
  [1_000, 39],
])("%i greedy addresses leave %i of ten thousand for others", (addresses, free) => {
  const left = fill(addresses);
  expect(left.free).toBeGreaterThanOrEqual(free - 10);
  expect(left.least).toBeGreaterThan(0);
});

test("an address that has none yet is let in as long as one is free", () => {
  for (const open of [9_000, 9_999, 10_000]) expect(shareOfAddress(open, defaultConnectionLimits)).toBeGreaterThan(0);
});
