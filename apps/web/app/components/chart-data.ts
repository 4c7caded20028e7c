/** What a chart of the last days shows: whole numbers, nano-dollars or requests, so that its sums are exact. */

export type DailyUsage = { day: string; series: string; requests: number; costUsd: string };
export type Measure = "cost" | "requests";

type Part = { series: string; color: string; size: bigint };
export type ChartDay = { day: string; parts: Part[]; total: bigint };
export type Chart = {
  days: ChartDay[];
  /** The largest first; the smallest ones of many together as the last. */
  series: { name: string; color: string; size: bigint }[];
  total: bigint;
  /** Round sizes from zero up to `top`, for the lines behind the bars. */
  ticks: bigint[];
  top: bigint;
};

const maxSeries = 5;

/** `today` is `YYYY-MM-DD`, the last of `dayCount` days. */
export function chartOf(
  data: DailyUsage[],
  { today, dayCount, measure, others }: { today: string; dayCount: number; measure: Measure; others: string },
): Chart {
  const shown = lastDays(today, dayCount);
  const isShown = new Set(shown);
  const rows = data
    .filter(({ day }) => isShown.has(day))
    .map((row) => ({ ...row, size: measure === "cost" ? nanoOf(row.costUsd) : BigInt(row.requests) }));
  const sizes = sumBy(rows, ({ series }) => series);
  const ranked = [...sizes].sort(([, a], [, b]) => (a < b ? 1 : a > b ? -1 : 0)).map(([name]) => name);
  const named = new Set(ranked.slice(0, maxSeries));
  const nameOf = (series: string) => (named.has(series) ? series : others);
  const series = [...sumBy(rows, (row) => nameOf(row.series))]
    .map(([name, size]) => ({ name, size, at: named.has(name) ? ranked.indexOf(name) : maxSeries }))
    .sort((a, b) => a.at - b.at)
    .map(({ name, size, at }) => ({ name, size, color: `var(--series-${at + 1})` }));
  const days = shown.map((day) => {
    const ofDay = sumBy(
      rows.filter((row) => row.day === day),
      (row) => nameOf(row.series),
    );
    const parts = series.flatMap(({ name, color }) => {
      const size = ofDay.get(name) ?? 0n;
      return size > 0n ? [{ series: name, color, size }] : [];
    });
    return { day, parts, total: sumOf(parts) };
  });
  const step = stepOf(days.reduce((most, { total }) => (total > most ? total : most), 1n));
  const top = step.count * step.size;
  const ticks = Array.from({ length: Number(step.count) + 1 }, (_, at) => BigInt(at) * step.size);
  return { days, series, total: sumOf(series), ticks, top };
}

function lastDays(today: string, count: number): string[] {
  const end = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: count }, (_, at) =>
    new Date(end - (count - 1 - at) * 86_400_000).toISOString().slice(0, 10),
  );
}

function nanoOf(usd: string): bigint {
  const [whole = "0", fraction = ""] = usd.split(".");
  return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

function sumBy<Row extends { size: bigint }>(rows: Row[], keyOf: (row: Row) => string): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const row of rows) sums.set(keyOf(row), (sums.get(keyOf(row)) ?? 0n) + row.size);
  return sums;
}

const sumOf = (parts: { size: bigint }[]): bigint => parts.reduce((sum, { size }) => sum + size, 0n);

/** The smallest of 1, 2, 5, 10, 20, … of which four reach `most`, and how many do. */
function stepOf(most: bigint): { size: bigint; count: bigint } {
  for (let power = 1n; ; power *= 10n) {
    for (const digit of [1n, 2n, 5n]) {
      const size = digit * power;
      if (size * 4n >= most) return { size, count: (most + size - 1n) / size };
    }
  }
}
