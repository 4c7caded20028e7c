import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { schedule, type Job } from "./schedule.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const logged: string[] = [];
const log = (_level: string, event: string) => void logged.push(event);
const aJob = (changes: Partial<Job> = {}) => {
  const run = vi.fn(() => Promise.resolve());
  return { job: { name: "sample", everyMs: 100, run, ...changes }, run };
};

test("a job runs when its time has come, each by its own clock", async () => {
  const [often, seldom, atOnce] = [aJob(), aJob({ everyMs: 250 }), aJob({ isDueAtStart: true })];
  const running = schedule([often.job, seldom.job, atOnce.job], log);
  await vi.advanceTimersByTimeAsync(500);
  expect([often, seldom, atOnce].map(({ run }) => run.mock.calls.length)).toEqual([5, 2, 6]);
  await running.stop();
  await vi.advanceTimersByTimeAsync(500);
  expect(often.run).toHaveBeenCalledTimes(5);
});

test("never twice at a time", async () => {
  const { job, run } = aJob();
  run.mockImplementation(() => new Promise((resolve) => setTimeout(resolve, 250)));
  schedule([job], log);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(run).toHaveBeenCalledTimes(4);
});

test("one that fails is logged by its name, runs again, and stops no other", async () => {
  const [failing, throwing, other] = [aJob(), aJob({ name: "throwing" }), aJob()];
  failing.run.mockRejectedValue(new Error("no"));
  throwing.run.mockImplementation(() => {
    throw new Error("at once");
  });
  schedule([failing.job, throwing.job, other.job], log);
  await vi.advanceTimersByTimeAsync(200);
  expect(logged).toEqual(["sample_failed", "throwing_failed", "sample_failed", "throwing_failed"]);
  expect(other.run).toHaveBeenCalledTimes(2);
});

test("a stop tells those that run, and waits for them, but not for ever", async () => {
  const { job: deaf } = aJob({ run: () => new Promise(() => undefined) });
  let wasTold = false;
  const { job: polite } = aJob({
    run: (signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          wasTold = true;
          setTimeout(resolve, 20);
        });
      }),
  });
  const running = schedule([deaf, polite], log, { patienceMs: 1_000 });
  await vi.advanceTimersByTimeAsync(100);
  let isStopped = false;
  running.stop().then(
    () => (isStopped = true),
    () => undefined,
  );
  await vi.advanceTimersByTimeAsync(990);
  expect([wasTold, isStopped]).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(20);
  expect(isStopped).toBe(true);
});
