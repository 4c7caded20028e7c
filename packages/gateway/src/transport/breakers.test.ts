import { expect, test } from "vitest";
import { createBreakers, type CallOutcome } from "./breakers.ts";

const failed: CallOutcome = { kind: "failed", status: 500 };
const answered: CallOutcome = { kind: "answered" };
const unreachable: CallOutcome = { kind: "unreachable", status: null };

/** Calls at times that a test sets; each is sent only where it is admitted. */
function aClock() {
  const breakers = createBreakers();
  const clock = { nowMs: 1_000 };
  const tried = (userId: string, model = "m") => ({ upstream: "u", model, userId, nowMs: clock.nowMs });
  const admits = (userId: string, model?: string) => breakers.admits(tried(userId, model));
  const call = (userId: string, outcome: CallOutcome, model?: string) => {
    const isSent = admits(userId, model);
    if (isSent) breakers.note(tried(userId, model), outcome);
    return isSent;
  };
  const calls = (n: number, userId: string, outcome: CallOutcome, model?: string) =>
    Array.from({ length: n }, () => call(userId, outcome, model)).filter(Boolean).length;
  return { breakers, clock, admits, call, calls };
}

test("one user's failures close a model for that user alone, however many they are", () => {
  const { clock, admits, calls } = aClock();
  for (let n = 0; n < 100; n++) {
    calls(20, "a", failed);
    expect(admits("b")).toBe(true);
    clock.nowMs += 3_000;
  }
  expect(calls(20, "a", failed)).toBeLessThan(2);
  expect(admits("a", "other")).toBe(true);
});

test("what several users run into with nobody's answer in between closes the model for all, and no other", () => {
  const { admits, calls, breakers } = aClock();
  calls(3, "a", failed);
  calls(2, "b", failed);
  expect(admits("d")).toBe(true);
  calls(1, "c", failed);
  expect([admits("d"), admits("d", "other")]).toEqual([false, true]);
  expect(breakers.closedOf("u")).toMatchObject({ status: 500, isKeyRefused: false });
});

test("an answer to anybody opens it again", () => {
  const { calls, admits, call } = aClock();
  calls(4, "a", failed);
  calls(4, "b", failed);
  call("d", answered);
  calls(2, "c", failed);
  expect(["a", "b", "c", "d"].map((user) => admits(user))).toEqual([true, true, true, true]);
});

function closedForAll() {
  const clock = aClock();
  for (const user of ["a", "b", "c"]) clock.calls(2, user, failed);
  expect(clock.admits("d")).toBe(false);
  return clock;
}

test("behind the pause one call probes, and its answer lets all through", () => {
  const { clock, admits, breakers } = closedForAll();
  clock.nowMs += 10_000;
  expect([admits("d"), admits("e"), admits("f"), admits("d")]).toEqual([true, false, false, false]);
  breakers.note({ upstream: "u", model: "m", userId: "d", nowMs: clock.nowMs }, answered);
  expect([admits("d"), admits("e")]).toEqual([true, true]);
});

test("a user whose probes fail prolongs the others' pause once, and no second time", () => {
  const { clock, call, admits } = closedForAll();
  clock.nowMs += 10_000;
  expect(call("a", failed)).toBe(true);
  expect(admits("b")).toBe(false);
  clock.nowMs += 10_000;
  expect([call("a", failed), call("b", answered), admits("c")]).toEqual([true, true, true]);
});

test("a probe that never comes back keeps the others waiting for no more than a pause", () => {
  const { clock, admits } = closedForAll();
  clock.nowMs += 10_000;
  expect([admits("a"), admits("b")]).toEqual([true, false]);
  clock.nowMs += 10_000;
  expect([admits("a"), admits("b")]).toEqual([true, true]);
});

test("an upstream that is not reached is closed for all models, and one that refuses its key at once", () => {
  const unreached = aClock();
  unreached.calls(5, "a", unreachable);
  expect([unreached.admits("b"), unreached.admits("b", "other")]).toEqual([false, false]);
  const refused = aClock();
  refused.call("a", { kind: "key_refused", status: 401 });
  expect(refused.admits("b")).toBe(false);
  expect(refused.breakers.closedOf("u")).toMatchObject({ isKeyRefused: true, status: 401 });
});

test("failures that lie a minute apart are no row", () => {
  const { clock, call, admits } = aClock();
  for (let n = 0; n < 20; n++) {
    call(`user-${n % 4}`, failed);
    clock.nowMs += 61_000;
  }
  expect(admits("b")).toBe(true);
});

test("names that clients make up take no more than a bounded room", () => {
  const { call, admits } = aClock();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100_000; n++) call(`user-${n % 7}`, failed, `model-${n}`);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  expect(admits("b")).toBe(true);
});
