/** Medians and spreads. A machine's speed changes from minute to minute by more than what is measured: ratios are taken within a round. */

export type Spread = { median: number; lowerQuartile: number; upperQuartile: number; min: number; max: number };

/** The value below which `share` of the values lie, between two values in proportion; NaN where there is none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = (sorted.length - 1) * share;
  const [lower, upper] = [sorted[Math.floor(at)] ?? NaN, sorted[Math.ceil(at)] ?? NaN];
  return lower + (upper - lower) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  lowerQuartile: quantile(values, 0.25),
  upperQuartile: quantile(values, 0.75),
  min: quantile(values, 0),
  max: quantile(values, 1),
});

export const round = (value: number, digits = 3): number => Math.round(value * 10 ** digits) / 10 ** digits;

/**
 * How much better `own` is than `other` in each round, above 1 where it is: more of what should be much, less of what
 * should be little. Below `least` nothing can be told apart on this clock, so it counts as that.
 */
export function ratiosOf(
  own: readonly number[],
  other: readonly number[],
  { isLessBetter = false, least = 0 } = {},
): number[] {
  if (own.length !== other.length) throw new Error("Every round needs a figure of both.");
  return own.map((value, n) => {
    const [a, b] = [Math.max(value, least), Math.max(other[n] ?? NaN, least)];
    return isLessBetter ? b / a : a / b;
  });
}
