import { expect, test } from "vitest";
import { createFreeCallLimit } from "./free-call-limit.ts";

test("a user has so many calls a minute, and again as time goes by", () => {
  const limit = createFreeCallLimit(60);
  for (let n = 0; n < 60; n++) expect(limit.take("a", 0)).toBe(0);
  expect(limit.take("a", 0)).toBe(1_000);
  expect(limit.take("a", 400)).toBe(600);
  expect(limit.take("a", 1_000)).toBe(0);
  expect(limit.take("a", 1_000)).toBe(1_000);
  expect(limit.take("b", 1_000)).toBe(0);
});

test("a clock that was set back gives nothing and stops nobody for longer than a minute", () => {
  const limit = createFreeCallLimit(1);
  expect(limit.take("a", 1_000_000)).toBe(0);
  expect(limit.take("a", 0)).toBe(60_000);
  expect(limit.take("a", 60_000)).toBe(0);
});

test("what it remembers is bounded", () => {
  const limit = createFreeCallLimit(60);
  for (let n = 0; n < 30_000; n++) limit.take(`user ${n}`, n * 10);
  expect(limit.take("user 29999", 300_000)).toBe(0);
});
