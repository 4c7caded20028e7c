import { expect, test } from "vitest";
import { readOptions } from "./options.ts";

test("without arguments peers are compared", () => {
  expect(readOptions([])).toEqual({ against: null, rounds: 7, seconds: 3, isJson: false, atLeast: new Map() });
});

test("a revision is compared in as many rounds of as many seconds as is said", () => {
  const options = readOptions(["--against", "v1", "--rounds", "5", "--seconds", "0.5", "--json"]);
  expect(options).toMatchObject({ against: "v1", rounds: 5, seconds: 0.5, isJson: true });
});

test("the environment counts where the command line says nothing", () => {
  expect(readOptions([], { BENCH_ROUNDS: "2", BENCH_SECONDS: "1" })).toMatchObject({ rounds: 2, seconds: 1 });
  expect(readOptions(["--rounds", "3"], { BENCH_ROUNDS: "2" })).toMatchObject({ rounds: 3 });
});

test("a bound is for every case, or for the one it names", () => {
  const { atLeast } = readOptions(["--against", "v1", "--at-least", "0.95", "--at-least", "streams=0.9"]);
  expect(Object.fromEntries(atLeast)).toEqual({ "": 0.95, streams: 0.9 });
});

test.each([
  [["--rounds", "0"], "--rounds"],
  [["--rounds", "1.5"], "whole number"],
  [["--seconds", "soon"], '"soon"'],
  [["--at-least", "0.9"], "--against"],
  [["--against", "v1", "--at-least", "much"], '"much"'],
  [["--against", ""], "needs a revision"],
  [["--agianst", "v1"], "--agianst"],
])("%j is refused with a sentence", (argv, said) => {
  expect(() => readOptions(argv)).toThrow(said);
});
