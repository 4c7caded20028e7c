import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { again, createGroupCommit, Failed, type GroupCommitOptions } from "./group-commit.ts";

function aSlowFlush() {
  const batches: number[][] = [];
  const gates: (() => void)[] = [];
  const flush = (items: number[]) => {
    batches.push(items);
    return new Promise<number[]>((resolve) => gates.push(() => resolve(items.map((item) => item * 10))));
  };
  return { batches, flush, release: () => gates.shift()?.() };
}
const refuse: GroupCommitOptions<number>["refuse"] = (item, { reason, wasSent }) =>
  new Error(`${item} ${reason} ${wasSent ? "sent" : "unsent"}`);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what arrives during a flush is the next batch, and each caller gets its own result", async () => {
  const { batches, flush, release } = aSlowFlush();
  const group = createGroupCommit(flush, { maxBatch: 2, refuse });
  const first = group.add(1);
  await turn();
  const others = [group.add(2), group.add(3), group.add(4)];
  for (let i = 0; i < 3; i++) {
    release();
    await turn();
  }
  expect(await Promise.all([first, ...others])).toEqual([10, 20, 30, 40]);
  expect(batches).toEqual([[1], [2, 3], [4]]);
});

test("a flush that fails fails its own batch only", async () => {
  let calls = 0;
  const group = createGroupCommit(
    async (items: number[]) => {
      if (calls++ === 0) throw new Error("database down");
      return items;
    },
    { refuse },
  );
  await expect(group.add(1)).rejects.toThrow("database down");
  await expect(group.add(2)).resolves.toBe(2);
});

test("a full queue refuses at once", async () => {
  const { flush } = aSlowFlush();
  const group = createGroupCommit(flush, { maxBatch: 1, maxQueue: 1, refuse });
  for (const item of [1, 2]) {
    void group.add(item);
    await turn();
  }
  void group.add(3);
  await expect(group.add(4)).rejects.toThrow("4 full unsent");
});

test("who waits too long is refused, sent or not, and the others are not", async () => {
  const { batches, flush, release } = aSlowFlush();
  const group = createGroupCommit(flush, { maxBatch: 2, isImpatient: (item) => item !== 2, patienceMs: 50, refuse });
  const waiting = Promise.allSettled([1, 2, 3, 4, 5].map((item) => group.add(item)));
  await new Promise((resolve) => setTimeout(resolve, 80));
  const late = group.add(6);
  expect(group.queued()).toBe(1);
  for (let i = 0; i < 3; i++) {
    release();
    await turn();
  }
  const outcomes = (await waiting).map((each) => (each.status === "rejected" ? String(each.reason) : each.value));
  const [one, three, four] = [1, 3, 4].map((item) => `Error: ${item} late sent`);
  expect(outcomes).toEqual([one, 20, three, four, "Error: 5 late unsent"]);
  expect(await late).toBe(60);
  expect(batches).toEqual([[1, 2], [3, 4], [6]]);
});

test("a second flush is begun behind the first where it is worth it, and never a third", async () => {
  const { batches, flush, release } = aSlowFlush();
  const group = createGroupCommit(flush, { refuse });
  for (const item of [1, 2, 3, 4, 5]) void group.add(item);
  await turn();
  void group.add(6);
  void group.add(7);
  await turn();
  expect(batches).toEqual([[1, 2, 3, 4, 5]]);
  void group.add(8);
  await turn();
  expect(batches).toHaveLength(2);
  for (const item of [9, 10, 11]) void group.add(item);
  await turn();
  expect(batches).toEqual([
    [1, 2, 3, 4, 5],
    [6, 7, 8],
  ]);
  release();
  await turn();
  expect(batches[2]).toEqual([9, 10, 11]);
  const idle = group.idle();
  release();
  release();
  await idle;
  expect(group.queued()).toBe(0);
});

test("what arrives before anything is in flight is one batch", async () => {
  const { batches, flush } = aSlowFlush();
  const group = createGroupCommit(flush, { refuse });
  void group.add(1);
  await Promise.resolve();
  void group.add(2);
  await turn();
  expect(batches).toEqual([[1, 2]]);
});

test("what may lag is flushed when there is enough of it, or after a while, and not with what overtakes it", async () => {
  const { batches, flush, release } = aSlowFlush();
  const group = createGroupCommit(flush, { maxLagging: 3, lagMs: 30, refuse });
  const lag = (item: number) => group.add(item, { mayLag: true });
  const first = lag(1);
  void group.add(2);
  await turn();
  expect(batches).toEqual([[2]]);
  expect(group.queued()).toBe(1);
  release();
  void lag(3);
  void lag(4);
  await turn();
  expect(batches[1]).toEqual([1, 3, 4]);
  release();
  expect(await first).toBe(10);
  const last = lag(5);
  await sleep(15);
  expect(batches).toHaveLength(2);
  await sleep(30);
  expect(batches[2]).toEqual([5]);
  release();
  expect(await last).toBe(50);
});

test("what lags is flushed at once where somebody asks for it, waits for idleness, or may not overtake it", async () => {
  const { batches, flush, release } = aSlowFlush();
  const group = createGroupCommit(flush, { waitsForLagging: (item) => item > 5, refuse });
  const lag = (item: number) => void group.add(item, { mayLag: true });
  lag(1);
  group.hurry();
  await turn();
  expect(batches).toEqual([[1]]);
  release();
  await turn();
  lag(2);
  void group.add(6);
  void group.add(3);
  await turn();
  expect(batches[1]).toEqual([2, 6, 3]);
  release();
  await turn();
  lag(4);
  const idle = group.idle();
  await turn();
  expect(batches[2]).toEqual([4]);
  release();
  await idle;
  expect(group.queued()).toBe(0);
});

test("more of what lags than a batch takes goes before what may not overtake it", async () => {
  const { batches, flush, release } = aSlowFlush();
  const group = createGroupCommit(flush, { maxBatch: 2, waitsForLagging: () => true, refuse });
  for (const item of [1, 2, 3]) void group.add(item, { mayLag: true });
  void group.add(4);
  void group.add(5);
  for (let n = 0; n < 3; n++) {
    await turn();
    release();
  }
  await turn();
  expect(batches).toEqual([[1, 2], [3, 4], [5]]);
});

test("an item that a flush has left alone is in the next one, unless its caller has been refused by then", async () => {
  const batches: number[][] = [];
  const gates: (() => void)[] = [];
  const leaveEven = (items: number[]) => {
    batches.push(items);
    const isFirst = batches.length === 1;
    const results = items.map((item) => (isFirst && item % 2 === 0 ? again : item * 10));
    return new Promise<(number | typeof again)[]>((resolve) => gates.push(() => resolve(results)));
  };
  const group = createGroupCommit(leaveEven, { isImpatient: (item) => item === 4, patienceMs: 30, refuse });
  const waiting = Promise.allSettled([1, 2, 3, 4].map((item) => group.add(item)));
  await sleep(45);
  void group.add(5);
  gates.shift()?.();
  await turn();
  expect(batches[1]).toEqual([2, 5]);
  gates.shift()?.();
  const outcomes = (await waiting).map((each) => (each.status === "rejected" ? String(each.reason) : each.value));
  expect(outcomes).toEqual([10, 20, 30, "Error: 4 late sent"]);
  await group.idle();
});

test("what was left alone may stand all the same, and counts as sent where it is refused before it is sent again", async () => {
  const gates: ((result: number | typeof again) => void)[] = [];
  const flush = (items: number[]) =>
    new Promise<(number | typeof again)[]>((resolve) => gates.push((result) => resolve(items.map(() => result))));
  const group = createGroupCommit(flush, { isImpatient: () => true, patienceMs: 50, maxBatch: 1, refuse });
  const waiting = [1, 2, 3].map((item) => group.add(item).catch((error: unknown) => String(error)));
  await turn();
  gates[0]?.(again);
  await turn();
  // The first one is again under way, behind the second.
  gates[1]?.(20);
  gates[2]?.(again);
  await sleep(80);
  for (const gate of gates.slice(3)) gate(30);
  const outcomes = await Promise.all(waiting);
  expect(outcomes).toEqual(["Error: 1 late sent", 20, "Error: 3 late sent"]);
});

test("an item may fail alone, and go elsewhere, where it is refused in its own time", async () => {
  let answerElsewhere: (result: number) => void = () => undefined;
  const elsewhere = new Promise<number>((resolve) => (answerElsewhere = resolve));
  const never = new Promise<number>(() => undefined);
  const flush = (items: number[]) =>
    Promise.resolve(
      items.map((item) =>
        item === 1 ? new Failed(new Error("bad")) : item === 2 ? elsewhere : item === 3 ? never : item,
      ),
    );
  const group = createGroupCommit<number, number>(flush, { isImpatient: () => true, patienceMs: 50, refuse });
  const waiting = Promise.allSettled([1, 2, 3, 4].map((item) => group.add(item)));
  await turn();
  answerElsewhere(20);
  const outcomes = (await waiting).map((each) => (each.status === "rejected" ? String(each.reason) : each.value));
  expect(outcomes).toEqual(["Error: bad", 20, "Error: 3 late sent", 4]);
  await group.idle();
});
