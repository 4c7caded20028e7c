import { expect, test } from "vitest";
import { createContendedAccounts, type ContendedOptions } from "./contended-accounts.ts";

const options = (given: Partial<ContendedOptions<string, string>>): ContendedOptions<string, string> => ({
  isImpatient: () => false,
  isAbandoned: () => false,
  findLocked: () => Promise.resolve(new Set()),
  flush: (orders) => Promise.resolve(orders.map((order) => `${order} done`)),
  rest: () => undefined,
  refuse: () => new Error("refused"),
  pollMs: 1,
  ...given,
});

test("a database that is gone fails those who wait, so that a stop waits for none of them", async () => {
  const gone = () => Promise.reject(new Error("gone"));
  const contended = createContendedAccounts(options({ findLocked: gone, flush: gone }));
  await expect(contended.add("wallet", "order", { wasSent: true })).rejects.toThrow("gone");
  await contended.idle();
  expect(contended.queued()).toBe(0);
});

/** A wallet that is locked for so many looks, and then free. */
const lockedFor = (looks: number) => (accounts: string[]) => Promise.resolve(new Set(looks-- > 0 ? accounts : []));

test("a wallet that was locked for long keeps to its own way for a while after it is free", async () => {
  const contended = createContendedAccounts(options({ findLocked: lockedFor(20), longLockMs: 5, waryMs: 50 }));
  expect(contended.has("wallet")).toBe(false);
  expect(await contended.add("wallet", "order", { wasSent: true })).toBe("order done");
  await contended.idle();
  expect(contended.has("wallet")).toBe(true);
  // What goes this way without having met a lock does not make it longer.
  expect(await contended.add("wallet", "next")).toBe("next done");
  await expect.poll(() => contended.has("wallet"), { timeout: 5_000 }).toBe(false);
});

test("a wallet that another batch of this process is at goes with the others again at once", async () => {
  const contended = createContendedAccounts(options({ findLocked: lockedFor(1), longLockMs: 10_000 }));
  expect(await contended.add("wallet", "order", { wasSent: true })).toBe("order done");
  await contended.idle();
  expect(contended.has("wallet")).toBe(false);
});

test("no wallet waits for another one's batch", async () => {
  const gates = new Map<string, () => void>();
  const flush = ([order = ""]: string[]) =>
    new Promise<string[]>((resolve) => gates.set(order, () => resolve([`${order} done`])));
  const contended = createContendedAccounts(options({ flush }));
  const orders = ["a", "b", "c"].map((order) => contended.add(`wallet of ${order}`, order));
  await expect.poll(() => gates.has("a")).toBe(true);
  gates.get("a")?.();
  await orders[0];
  await expect.poll(() => gates.size).toBe(3);
  for (const open of [...gates.values()].reverse()) open();
  expect(await Promise.all(orders)).toEqual(["a done", "b done", "c done"]);
});

test("an order that is refused while its wallet is locked meets no release of its own in one batch", async () => {
  const batches: string[][] = [];
  const abandoned = new Set<string>();
  let isLocked = true;
  const contended = createContendedAccounts(
    options({
      isAbandoned: (order) => abandoned.has(order),
      isImpatient: (order) => order === "hold",
      findLocked: (accounts) => Promise.resolve(new Set(isLocked ? accounts : [])),
      flush: (orders) => {
        batches.push(orders);
        return Promise.resolve(orders.map((order) => `${order} done`));
      },
    }),
  );
  const hold = contended.add("wallet", "hold", { wasSent: true }).catch((error: unknown) => (error as Error).message);
  abandoned.add("hold");
  const release = contended.add("wallet", "release");
  isLocked = false;
  expect(await hold).toBe("refused");
  expect(await release).toBe("release done");
  expect(batches).toEqual([["release"]]);
});
