import { expect, test } from "vitest";
import { createLastGuard, type CaughtFault } from "./last-guard.ts";

function aGuard() {
  const lines: Record<string, unknown>[] = [];
  const ends: string[] = [];
  let atMs = 0;
  const guard = createLastGuard({
    log: (level, event, fields) => lines.push({ level, event, ...fields }),
    end: (reason) => ends.push(reason),
    nowMs: () => atMs,
  });
  return { guard, lines, ends, pass: (ms: number) => (atMs += ms) };
}

test("a fault is logged without its message, and told", () => {
  const { guard, lines, ends } = aGuard();
  const told: CaughtFault[] = [];
  guard.onFault((fault) => told.push(fault));
  guard.catch(new SyntaxError('Unexpected token in {"prompt":"secret"}'), "unhandledRejection");
  const expected = { origin: "unhandledRejection", name: "SyntaxError", code: null };
  expect(lines).toMatchObject([{ level: "error", event: "uncaught_error", ...expected }]);
  expect(told).toMatchObject([expected]);
  expect(JSON.stringify([lines, told])).not.toContain("secret");
  expect(ends).toEqual([]);
});

test("what was caught before somebody listens is told then", () => {
  const { guard } = aGuard();
  guard.catch(new Error("x"), "uncaughtException");
  const told: CaughtFault[] = [];
  guard.onFault((fault) => told.push(fault));
  expect(told).toHaveLength(1);
});

test("nineteen in ten seconds are survived, twenty are not", () => {
  const { guard, ends } = aGuard();
  for (let n = 0; n < 19; n++) guard.catch(new Error("x"), "uncaughtException");
  expect(ends).toEqual([]);
  for (let n = 0; n < 5; n++) guard.catch(new Error("x"), "uncaughtException");
  expect(ends).toEqual(["too_many_errors"]);
});

test("any number of them over a longer time is survived", () => {
  const { guard, ends, pass } = aGuard();
  for (let n = 0; n < 1_000; n++) {
    guard.catch(new Error("x"), "unhandledRejection");
    pass(1_000);
  }
  expect(ends).toEqual([]);
});

test.each([
  ["an allocation that failed", new RangeError("Array buffer allocation failed")],
  ["want of memory", Object.assign(new Error("x"), { code: "ENOMEM" })],
  ["a broken assertion of Node's own", Object.assign(new Error("x"), { code: "ERR_INTERNAL_ASSERTION" })],
])("%s ends the process", (_what, error) => {
  const { guard, ends } = aGuard();
  guard.catch(error, "uncaughtException");
  expect(ends).toEqual(["fatal_error"]);
});

test.each([
  ["a stack that was too deep", new RangeError("Maximum call stack size exceeded")],
  ["a pipe that is gone", Object.assign(new Error("x"), { code: "EPIPE" })],
  ["a full disk", Object.assign(new Error("x"), { code: "ENOSPC" })],
])("%s does not", (_what, error) => {
  const { guard, ends } = aGuard();
  guard.catch(error, "uncaughtException");
  expect(ends).toEqual([]);
});
