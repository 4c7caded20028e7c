import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { aLedgerOf, aHold, aPayer, breachesIn, type Payer } from "./testing/money.ts";
import { openInstance, type Instance } from "./durability/instance.ts";

let db: TestDatabase;
let instance: Instance;
beforeAll(async () => {
  db = await createTestDatabase();
  instance = await openInstance(db);
});
afterAll(() => db.drop());
afterEach(async () => {
  expect(await breachesIn(db)).toEqual([]);
});

/** At USD 1 per million tokens a token costs 1,000 nano-USD. */
const tokens = (n: number) => BigInt(n) * 1_000n;

async function hold(payer: Payer, amountNanoUsd: bigint): Promise<string> {
  const order = aHold(payer, { amountNanoUsd });
  expect(await aLedgerOf(db.pool, instance).hold(order)).toMatchObject({ outcome: "held" });
  return order.id;
}

/** Settles all of them in one batch, in this order; without tokens it is a release. Returns what was taken for each that is told. */
async function settle(settlements: [id: string, inputTokens: number | null][]): Promise<Record<string, string>> {
  const { rows } = await db.pool.query<{ answer: { id: string; outcome: string; amount: string }[] | null }>(
    `SELECT ledger_batch(ARRAY(
       SELECT ROW(id, n IS NOT NULL, n * 1000, 'exact', '{}', jsonb_build_object('input', n), n, 0, 'test-model', NULL, NULL,
         NULL, NULL, 200, false, 1, 1)::settlement
       FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS s(id, n, ord) ORDER BY ord),
       '{}', NULL, $3, 1, '{NULL,NULL,NULL}') AS answer`,
    [settlements.map(([id]) => id), settlements.map(([, inputTokens]) => inputTokens), instance.id],
  );
  return Object.fromEntries((rows[0]?.answer ?? []).map(({ id, outcome, amount }) => [id, `${outcome} ${amount}`]));
}

const balances = async ({ userId }: Payer) => {
  const accounts = await db.prisma.account.findMany({ where: { userId }, orderBy: { kind: "asc" } });
  return accounts.map(({ balanceNanoUsd, heldNanoUsd }) => [balanceNanoUsd, heldNanoUsd]);
};

test("of charges above their holds in one batch each has its own hold, what is free goes to the first, and the rest is a debt", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: tokens(110) });
  const [first, second] = [await hold(payer, tokens(30)), await hold(payer, tokens(70))];
  expect(
    await settle([
      [first, 90],
      [second, 75],
    ]),
  ).toEqual({
    [first]: `settled_now ${tokens(40)}`,
    [second]: `settled_now ${tokens(70)}`,
  });
  expect(await balances(payer)).toEqual([
    [0n, 0n],
    [tokens(55), 0n],
  ]);
});

test("what the others of the batch give back pays for it, wherever they stand", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: tokens(100) });
  const [dear, cheap, none] = [
    await hold(payer, tokens(10)),
    await hold(payer, tokens(50)),
    await hold(payer, tokens(40)),
  ];
  expect(
    await settle([
      [dear, 85],
      [cheap, 15],
      [none, null],
    ]),
  ).toEqual({ [dear]: `settled_now ${tokens(85)}` });
  expect(await balances(payer)).toEqual([[0n, 0n]]);
});

test("a charge of which nothing can be taken is a debt alone, and comes once", async () => {
  const payer = await aPayer(db, { balanceNanoUsd: tokens(5) });
  const [nothing, all] = [await hold(payer, 0n), await hold(payer, tokens(5))];
  expect(await settle([[nothing, 3]])).toEqual({ [nothing]: "settled_now 0" });
  expect(
    await settle([
      [nothing, 3],
      [all, 5],
    ]),
  ).toEqual({ [nothing]: "settled_before 0" });
  expect(await balances(payer)).toEqual([
    [0n, 0n],
    [tokens(3), 0n],
  ]);
});
