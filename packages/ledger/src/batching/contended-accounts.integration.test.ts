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

test("a wallet that was locked keeps to its own way for a while after it is free", async () => {
  const contended = createContendedAccounts(options({ waryMs: 30 }));
  expect(contended.has("wallet")).toBe(false);
  expect(await contended.add("wallet", "order", { wasSent: true })).toBe("order done");
  await contended.idle();
  expect(contended.has("wallet")).toBe(true);
  // What goes this way without having met a lock does not make it longer.
  expect(await contended.add("wallet", "next")).toBe("next done");
  await expect.poll(() => contended.has("wallet"), { timeout: 5_000 }).toBe(false);
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
