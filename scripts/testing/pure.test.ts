/** What a unit test may not do, it is told. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";

test.each<[what: string, act: () => unknown]>([
  ["listens on a socket", () => createServer().listen(0)],
  ["opens a connection", () => connect(9, "127.0.0.1")],
  ["starts a process", () => spawnSync("true")],
  ["writes to the disk", () => writeFileSync("/dev/null", "")],
  ["writes to the disk", () => mkdir("/dev/null/x")],
  ["waits by the real clock", () => sleep(5)],
])("one that %s", (what, act) => {
  expect(act).toThrow(`A unit test ${what}`);
});

test("an invented clock may be waited for, and so may a turn of the event loop", async () => {
  await new Promise((resolve) => setTimeout(resolve));
  vi.useFakeTimers();
  const waited = new Promise<string>((resolve) => setTimeout(() => resolve("over"), 60_000));
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  expect(await waited).toBe("over");
});
