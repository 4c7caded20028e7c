import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { HoldOrder } from "../ledger.ts";
import { createReserves } from "./reserves.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
afterEach(() => void vi.useRealTimers());

const anOrder = (order: Partial<HoldOrder> = {}): HoldOrder => ({
  id: "00000000-0000-7000-8000-000000000001",
  accountId: "wallet",
  apiKeyId: "key",
  priceVersionId: "price",
  endpoint: "chat.completions",
  model: "model",
  inputTokensBound: 1,
  tokensBound: 2,
  amountNanoUsd: 10n,
  minAmountNanoUsd: null,
  ...order,
});

/** Answers what is asked for when it is told to. */
function aBank() {
  const asked: { reserve: HoldOrder; answer: (isPlaced: boolean | Error) => Promise<void> }[] = [];
  const givenBack: string[] = [];
  const reserves = createReserves({
    setAside: (reserve) =>
      new Promise((resolve, reject) => {
        const answer = async (isPlaced: boolean | Error) => {
          if (typeof isPlaced === "boolean") resolve(isPlaced);
          else reject(isPlaced);
          for (let n = 0; n < 5; n++) await Promise.resolve();
        };
        asked.push({ reserve, answer });
      }),
    giveBack: (id) => void givenBack.push(id),
  });
  const drawMany = (count: number, order: Partial<HoldOrder> = {}) =>
    Array.from({ length: count }, () => reserves.draw(anOrder(order)));
  return { reserves, asked, givenBack, drawMany };
}

test("a key that calls now and then has no reserve", () => {
  const { asked, drawMany } = aBank();
  for (let n = 0; n < 50; n++) {
    expect(drawMany(1)).toEqual([null]);
    vi.advanceTimersByTime(50);
  }
  expect(asked).toEqual([]);
});

test("a busy one's holds are drawn from a reserve until it is used up, and a next one is asked for in time", async () => {
  const { asked, givenBack, drawMany } = aBank();
  expect(drawMany(10)).toEqual(Array(10).fill(null));
  expect(asked).toHaveLength(1);
  const first = asked[0]!;
  expect(first.reserve).toMatchObject({ accountId: "wallet", amountNanoUsd: 400n, minAmountNanoUsd: null });
  expect(first.reserve.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(drawMany(1)).toEqual([null]);
  await first.answer(true);
  expect(drawMany(39)).toEqual(Array(39).fill(first.reserve.id));
  expect(asked).toHaveLength(2);
  const second = asked[1]!;
  await second.answer(true);
  expect(drawMany(1, { amountNanoUsd: 11n })).toEqual([second.reserve.id]);
  expect(givenBack).toEqual([first.reserve.id]);
});

test("no more is drawn than was set aside, however much is asked for at once", async () => {
  const { asked, drawMany } = aBank();
  drawMany(10);
  const { reserve, answer } = asked[0]!;
  await answer(true);
  expect(drawMany(100).filter((id) => id === reserve.id)).toHaveLength(40);
});

test("keys do not draw from each other's reserves", async () => {
  const { asked, drawMany } = aBank();
  drawMany(10);
  await asked[0]!.answer(true);
  expect(drawMany(1, { apiKeyId: "other" })).toEqual([null]);
});

test("what nobody draws from is given back", async () => {
  const { asked, givenBack, drawMany } = aBank();
  drawMany(10);
  vi.advanceTimersByTime(90);
  await asked[0]!.answer(true);
  vi.advanceTimersByTime(290);
  expect(givenBack).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(givenBack).toEqual([asked[0]!.reserve.id]);
  expect(vi.getTimerCount()).toBe(0);
});

test("after a refusal it is a second until another one is asked for", async () => {
  const { asked, givenBack, drawMany } = aBank();
  drawMany(10);
  await asked[0]!.answer(false);
  for (let n = 0; n < 9; n++) {
    drawMany(20);
    vi.advanceTimersByTime(100);
  }
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(150);
  drawMany(20);
  expect(asked).toHaveLength(2);
  expect(givenBack).toEqual([]);
});

test("of what nobody knows whether it stands, nothing is drawn, and it is given back", async () => {
  const { asked, givenBack, drawMany } = aBank();
  drawMany(10);
  await asked[0]!.answer(new Error("database down"));
  expect(drawMany(1)).toEqual([null]);
  expect(givenBack).toEqual([asked[0]!.reserve.id]);
});

test("ended by its id, by its wallet or with all, a reserve is given back at once, also one that is only asked for", async () => {
  for (const end of ["end", "endOf", "endAll"] as const) {
    const { reserves, asked, givenBack, drawMany } = aBank();
    drawMany(10);
    await asked[0]!.answer(true);
    drawMany(30);
    const [first, second] = asked.map(({ reserve }) => reserve.id);
    expect(reserves.isWanted(second!)).toBe(true);
    const ended = reserves[end](end === "end" ? first! : "wallet");
    expect(givenBack).toEqual([first]);
    expect(reserves.isWanted(second!)).toBe(false);
    expect(drawMany(1)).toEqual([null]);
    await asked[1]!.answer(true);
    await (end === "endAll" ? asked[2]?.answer(false) : null);
    await ended;
    expect(givenBack).toEqual([first, second]);
  }
});

test("what no wallet can have is not asked for", () => {
  const { asked, drawMany } = aBank();
  drawMany(20, { amountNanoUsd: 2n ** 57n });
  expect(asked).toEqual([]);
});

test("where a wallet's money runs short, its keys have no reserve for a second", async () => {
  const { reserves, asked, drawMany } = aBank();
  drawMany(10);
  await asked[0]!.answer(true);
  reserves.endOf("wallet");
  drawMany(30);
  vi.advanceTimersByTime(900);
  drawMany(30);
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(150);
  drawMany(30);
  expect(asked).toHaveLength(2);
});

test("where a call is too large for what is set aside, more of it is asked for", async () => {
  const { asked, drawMany } = aBank();
  drawMany(10);
  await asked[0]!.answer(true);
  expect(drawMany(1, { amountNanoUsd: 500n })).toEqual([null]);
  expect(asked[1]?.reserve.amountNanoUsd).toBe(22_000n);
  await asked[1]!.answer(true);
  expect(drawMany(1, { amountNanoUsd: 500n })).toEqual([asked[1]!.reserve.id]);
});
