import { expect, test } from "vitest";
import { median, quantile, ratiosOf, round, spreadOf } from "./statistics.ts";

test("a median is the middle value, or lies halfway between the two middle ones", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
});

test("of nothing there is no median", () => {
  expect(median([])).toBeNaN();
});

test("numbers are ordered as numbers, and what was given is left as it was", () => {
  const values = [10, 9, 100];
  expect(median(values)).toBe(10);
  expect(values).toEqual([10, 9, 100]);
});

test("quartiles lie between two values in proportion", () => {
  expect(quantile([0, 10, 20, 30, 40], 0.25)).toBe(10);
  expect(quantile([0, 10, 20, 30], 0.25)).toBe(7.5);
  expect(spreadOf([1, 2, 3, 4, 5])).toEqual({ median: 3, lowerQuartile: 2, upperQuartile: 4, min: 1, max: 5 });
});

test("a ratio is taken within each round, so that a machine that slows down slows both", () => {
  expect(ratiosOf([100, 50, 10], [50, 25, 5])).toEqual([2, 2, 2]);
});

test("where less is better a ratio above one still means better", () => {
  expect(ratiosOf([1, 2], [2, 2], { isLessBetter: true })).toEqual([2, 1]);
});

test("times that the clock cannot tell from nothing do not make a ratio endless", () => {
  expect(ratiosOf([-0.01, 0], [0.1, 0], { isLessBetter: true, least: 0.05 })).toEqual([2, 1]);
});

test("rounds of which one figure is missing are refused", () => {
  expect(() => ratiosOf([1, 2], [1])).toThrow("both");
});

test("rounding keeps thousandths", () => {
  expect(round(1.23456)).toBe(1.235);
  expect(round(1.23456, 1)).toBe(1.2);
});
