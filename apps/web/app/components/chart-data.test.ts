import { expect, test } from "vitest";
import { chartOf, type DailyUsage } from "./chart-data";

const spent = (day: string, series: string, costUsd: string, requests = 1): DailyUsage => ({
  day,
  series,
  requests,
  costUsd,
});
const threeDays = { today: "2026-03-01", dayCount: 3, measure: "cost", others: "others" } as const;

test("the days end with today, and what is older is in no sum", () => {
  const { days, total } = chartOf([spent("2026-02-26", "a", "5"), spent("2026-02-28", "a", "0.25")], threeDays);
  expect(days.map(({ day, total: ofDay }) => [day, ofDay])).toEqual([
    ["2026-02-27", 0n],
    ["2026-02-28", 250_000_000n],
    ["2026-03-01", 0n],
  ]);
  expect(total).toBe(250_000_000n);
});

test("sums are exact where floats are not", () => {
  const data = Array.from({ length: 10 }, (_, at) => spent("2026-03-01", `m${at % 2}`, "0.100000001"));
  expect(chartOf(data, threeDays).total).toBe(1_000_000_010n);
});

test("the largest series comes first, and beyond the fifth they are one", () => {
  const data = [1, 2, 3, 4, 5, 6, 7].map((usd) => spent("2026-03-01", `m${usd}`, String(usd)));
  const { series, days } = chartOf(data, threeDays);
  expect(series.map(({ name }) => name)).toEqual(["m7", "m6", "m5", "m4", "m3", "others"]);
  expect(days[2]?.parts.at(-1)).toEqual({ series: "others", color: "var(--series-6)", size: 3_000_000_000n });
});

test.each([
  ["3.10", ["0", "1000000000", "2000000000", "3000000000", "4000000000"]],
  ["0.000000003", ["0", "1", "2", "3"]],
  ["45", ["0", "20000000000", "40000000000", "60000000000"]],
])("lines behind bars of $%s are round and reach above", (usd, ticks) => {
  const chart = chartOf([spent("2026-03-01", "a", usd)], threeDays);
  expect(chart.ticks.map(String)).toEqual(ticks);
  expect(chart.top).toBe(chart.ticks.at(-1));
});

test("requests are counted where they are what is measured", () => {
  const data = [spent("2026-03-01", "a", "1", 7), spent("2026-02-28", "a", "9", 5)];
  expect(chartOf(data, { ...threeDays, measure: "requests" }).total).toBe(12n);
});
