import { expect, test } from "vitest";
import { heartbeatMs, leaseMs } from "./instance.ts";
import { createReapGuard } from "./reap-guard.ts";

/** A process's own clock, and the database's. */
function aProcess() {
  let [ownMs, databaseMs] = [1_000, 5_000_000];
  const guard = createReapGuard(() => ownMs);
  const pass = (ms: number, databasePassedMs = ms) => {
    ownMs += ms;
    databaseMs += databasePassedMs;
  };
  const mayReap = () => guard.mayReap(databaseMs);
  const beat = () => guard.renewed(databaseMs);
  const live = (ms: number) => {
    for (let passedMs = 0; passedMs < ms; passedMs += heartbeatMs) {
      pass(heartbeatMs);
      beat();
    }
  };
  return { guard, pass, mayReap, beat, live };
}

/** One that has lived long enough to settle for others. */
function aSettledProcess() {
  const process = aProcess();
  process.live(leaseMs);
  expect(process.mayReap()).toBe(true);
  return process;
}

test("a process that has just started lets the others renew their leases first", () => {
  const { beat, live, mayReap } = aProcess();
  expect(mayReap()).toBe(false);
  beat();
  expect(mayReap()).toBe(false);
  live(leaseMs / 2);
  expect(mayReap()).toBe(true);
});

test("one that has stood still waits a lease, whether it looks first or renews first", () => {
  for (const wakesWith of ["reaper", "heartbeat"]) {
    const { pass, beat, live, mayReap } = aSettledProcess();
    pass(40_000);
    if (wakesWith === "heartbeat") beat();
    expect(mayReap()).toBe(false);
    live(leaseMs - heartbeatMs);
    expect(mayReap()).toBe(false);
    live(2 * heartbeatMs);
    expect(mayReap()).toBe(true);
  }
});

test.each([40_000, -40_000, 30 * 24 * 3_600_000])(
  "so does one whose database's clock has jumped by %d ms",
  (jumpMs) => {
    const { pass, live, mayReap } = aSettledProcess();
    // A suspended machine: the own clock has not gone on.
    pass(1_000, 1_000 + jumpMs);
    expect(mayReap()).toBe(false);
    live(leaseMs - heartbeatMs);
    expect(mayReap()).toBe(false);
    live(2 * heartbeatMs);
    expect(mayReap()).toBe(true);
  },
);

test("a slow heartbeat and an unsteady clock are no sleep", () => {
  const { pass, beat, mayReap } = aSettledProcess();
  pass(heartbeatMs * 1.8);
  expect(mayReap()).toBe(true);
  beat();
  pass(heartbeatMs, heartbeatMs + 1_500);
  expect(mayReap()).toBe(true);
});

test("after a heartbeat that the database did not take, the others get time to renew theirs", () => {
  const { guard, pass, beat, live, mayReap } = aSettledProcess();
  pass(heartbeatMs);
  guard.failed();
  expect(mayReap()).toBe(false);
  pass(heartbeatMs - 1);
  beat();
  expect(mayReap()).toBe(false);
  live(leaseMs / 2);
  expect(mayReap()).toBe(true);
});
