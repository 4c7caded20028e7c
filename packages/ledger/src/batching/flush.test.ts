import { expect, test } from "vitest";
import { aHold } from "../testing/money.ts";
import type { BatchQueries, Deviation } from "./batch-queries.ts";
import { createFlush, type State } from "./flush.ts";
import { again } from "./group-commit.ts";
import type { DefaultLimits } from "../ledger.ts";

const unlimited: DefaultLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
const wallet = "wallet";
const payer = { userId: "user", accountId: wallet, apiKeyId: "key", priceVersionId: "price" };

/** A database that answers what it is told to, and what it was asked. */
function aFlush({ aside = [] as string[] } = {}) {
  const asked: string[] = [];
  const database = {
    deviations: [] as Deviation[],
    left: [] as string[],
    holdAll: (): Promise<string[]> => Promise.resolve(database.left),
    settleAndHold: (): Promise<Deviation[]> => Promise.resolve(database.deviations),
  };
  const queries: BatchQueries = {
    settleAndHold: ({ holds, drawn, areNew }) => {
      asked.push(
        `decide ${holds.length}${drawn.length > 0 ? `, ${drawn.length} drawn${areNew ? "" : " before"}` : ""}`,
      );
      return database.settleAndHold();
    },
    holdAll: (holds) => {
      asked.push(`place ${holds.length}`);
      return database.holdAll();
    },
    extend: () => Promise.resolve([]),
    reserve: (reserves) => {
      asked.push(`reserve ${reserves.length}`);
      return Promise.resolve(reserves.map(({ id }) => id));
    },
    rest: () => undefined,
  };
  const ended: string[] = [];
  const state: State = {
    open: new Map(),
    judgedKeys: new Set(),
    unplaced: new Map(),
    aside: new Map(aside.map((accountId) => [`reserve of ${accountId}`, accountId])),
    reserves: {
      end: (id) => void ended.push(id),
      endOf: (accountId) => void ended.push(accountId),
      isWanted: () => true,
    },
  };
  const flush = createFlush(queries, state);
  return { asked, database, ended, state, run: (orders: Parameters<typeof flush>[0]) => flush(orders, unlimited) };
}

const hold = aHold(payer);
const holdOrder = { kind: "hold" as const, hold };
const release = (id: string) => ({ kind: "settle" as const, id, capture: null, accountId: null });

test("nobody is refused for want of money that is set aside and still to be given back", async () => {
  const { database, ended, state, run } = aFlush();
  state.judgedKeys.add(hold.apiKeyId);
  state.open.set(hold.id, wallet);
  state.aside.set("reserve", wallet);
  database.deviations = [{ id: hold.id, outcome: "insufficient", amount: "0" }];
  expect(await run([holdOrder])).toEqual([again]);
  expect(ended).toEqual([wallet]);
  expect(state.open.has(hold.id)).toBe(true);
  await run([release("reserve")]);
  expect(await run([holdOrder])).toEqual([{ outcome: "insufficient" }]);
  expect(state.open.has(hold.id)).toBe(false);
});

test("holds of a wallet that has money set aside are placed in full, or left alone, beside what is decided", async () => {
  const { asked, database, run } = aFlush({ aside: [wallet] });
  const other = aHold({ ...payer, accountId: "other" });
  database.left = [wallet];
  const outcomes = await run([release("settled"), holdOrder, { kind: "hold", hold: other }]);
  expect(asked).toEqual(["decide 1", "place 1"]);
  expect(outcomes.slice(1)).toEqual([again, { outcome: "held", amountNanoUsd: other.amountNanoUsd, allowance: null }]);
});

test("without money set aside one question is enough, whoever is judged", async () => {
  const { asked, state, run } = aFlush();
  state.judgedKeys.add("limited");
  await run([holdOrder, { kind: "hold", hold: aHold({ ...payer, apiKeyId: "limited" }) }]);
  await run([holdOrder, release("settled")]);
  await run([holdOrder]);
  expect(asked).toEqual(["decide 2", "decide 1", "place 1"]);
});

test("where one of a batch's questions fails, it fails when all of them are over", async () => {
  const { asked, database, run } = aFlush({ aside: [wallet] });
  let isOver = false;
  database.settleAndHold = () => Promise.reject(new Error("database down"));
  database.holdAll = async () => {
    for (let n = 0; n < 5; n++) await Promise.resolve();
    isOver = true;
    return [];
  };
  const reserve = { kind: "reserve" as const, reserve: aHold(payer) };
  await expect(run([release("settled"), holdOrder, reserve])).rejects.toThrow("database down");
  expect(isOver).toBe(true);
  expect(asked).toEqual(["decide 0", "place 1", "reserve 1"]);
});

test("a settlement brings along the hold that is not known to stand, and that is then not sent as new", async () => {
  const { asked, database, state, run } = aFlush();
  const drawn = { hold, reserveId: "reserve", instance: { id: "instance", epoch: 1n } };
  state.unplaced.set(hold.id, { drawn, placing: Promise.resolve() });
  database.settleAndHold = () => Promise.reject(new Error("database down"));
  await expect(run([release(hold.id)])).rejects.toThrow("database down");
  expect(state.unplaced.has(hold.id)).toBe(true);
  database.settleAndHold = () => Promise.resolve([]);
  expect(await run([release(hold.id)])).toEqual([{ didSettle: true, paidNanoUsd: 0n }]);
  expect(state.unplaced.has(hold.id)).toBe(false);
  await run([{ kind: "drawn", drawn }, release(hold.id)]);
  expect(asked).toEqual(["decide 0, 1 drawn before", "decide 0, 1 drawn before", "decide 0, 1 drawn"]);
});
