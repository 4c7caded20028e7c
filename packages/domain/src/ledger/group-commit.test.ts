import { expect, test } from "vitest";
import { createGroupCommit, type GroupCommitOptions } from "./group-commit.ts";

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
