import { expect, test } from "vitest";
import { exactUsd, formatOf, usd } from "./format";

test.each([
  ["10.500000000", "$10.50"],
  ["0.000370000", "$0.000370"],
  ["0.037000000", "$0.0370"],
  ["0.000000000", "$0.00"],
  ["0.500000000", "$0.50"],
  ["0.000000004", "$0.000000004"],
  ["1234567.899999999", "$1,234,567.89"],
  ["-3.250000000", "−$3.25"],
  ["4.999995500", "$4.99"],
])("%s is shown as %s", (text, shown) => {
  expect(usd(text)).toBe(shown);
});

test.each([
  ["4.999995500", "$4.9999955"],
  ["5.000000000", "$5.00"],
  ["-0.100000000", "−$0.10"],
  ["15", "$15.00"],
  ["0.4", "$0.40"],
  ["0.0375", "$0.0375"],
])("%s is exactly %s", (text, shown) => {
  expect(exactUsd(text)).toBe(shown);
});

test("days, minutes and counts are written as the language does, in the viewer's time zone", () => {
  const moment = "2026-01-15T20:30:05Z";
  const [zh, en] = [formatOf("zh-CN", "Asia/Shanghai"), formatOf("en", "America/New_York")];
  expect([zh.day(moment), zh.minute(moment), zh.second(moment)]).toEqual([
    "2026-01-16",
    "2026-01-16 04:30",
    "2026-01-16 04:30:05",
  ]);
  expect([en.day(moment), en.minute(moment), en.second(moment)]).toEqual([
    "Jan 15, 2026",
    "Jan 15, 2026, 15:30",
    "Jan 15, 2026, 15:30:05",
  ]);
  const end = "2026-01-15T23:59:59.999Z";
  expect([zh.lastDay(end), en.lastDay(end)]).toEqual(["2026-01-15", "Jan 15, 2026"]);
  expect([zh.isoDay(moment), en.isoDay(moment)]).toEqual(["2026-01-16", "2026-01-15"]);
  expect([zh.count(125_430), en.count(125_430)]).toEqual(["125,430", "125,430"]);
});
