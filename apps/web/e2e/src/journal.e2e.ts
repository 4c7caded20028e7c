/**
 * With a journal an answer does not wait for the database: here the database takes no charge while it ends. Who then asks
 * for what the call has left behind waits until it is there.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

let house: Installation;
let upstream: SteadyUpstream;
let key: string;
beforeAll(async () => {
  upstream = await startSteadyUpstream({ waitMs: 1_000 });
  house = await startInstallation("journal", { own: { LEDGER_JOURNAL: "on" } });
  key = await aFundedKey(house.gateway, upstream.url);
}, 60_000);
afterAll(async () => {
  await house.stop();
  upstream.stop();
});

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`${house.gateway.api}${path}`, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${key}` },
  });

const call = (headers: Record<string, string> = {}) =>
  ask("/chat/completions", {
    method: "POST",
    headers,
    body: '{"model":"gpt-4o-mini","max_tokens":50,"messages":[]}',
  });

const openHolds = () => house.db.prisma.hold.count({ where: { state: "open" } });

/** Lets the call be held, and then nothing into the database until its answer has ended and `then` has begun. */
async function whileNothingIsTaken<T>(begun: Promise<Response>, then: (answer: Response) => Promise<T>): Promise<T> {
  const standing = await house.db.pool.connect();
  try {
    await expect.poll(openHolds, { interval: 10 }).toBe(1);
    await standing.query("BEGIN; LOCK TABLE account IN EXCLUSIVE MODE");
    const answer = await begun;
    expect([answer.status, await openHolds()]).toEqual([200, 1]);
    const asked = then(answer);
    await sleep(100);
    expect(await openHolds()).toBe(1);
    await standing.query("ROLLBACK");
    return await asked;
  } finally {
    standing.release(true);
  }
}

test("a charge is read as soon as its answer has ended", async () => {
  const charge = await whileNothingIsTaken(call(), async (answer) => {
    const id = answer.headers.get("x-request-id");
    return (await ask(`/charges/${id}`)).json();
  });
  expect(charge).toMatchObject({ basis: "exact", cost_usd: "0.000004800" });
});

test("a call that was named is answered again from what is kept, and not called busy", async () => {
  const name = { "idempotency-key": "once" };
  const before = upstream.served.length;
  const [first, again] = await whileNothingIsTaken(call(name), async (answer) => [
    await answer.text(),
    await call(name).then((repeated) => repeated.text()),
  ]);
  expect(again).toBe(first);
  expect(upstream.served.length - before).toBe(1);
});

test("a stop leaves nothing in the journal, and the books are sound", async () => {
  await Promise.all([call(), call(), call()]);
  expect(await house.gateway.stop()).toBe(0);
  expect(house.gateway.output()).toContain("Stopped; 0 calls unsettled.");
  expect([await openHolds(), await house.db.prisma.charge.count()]).toEqual([0, 5]);
  expect(await breachesIn(house.db)).toEqual([]);
});
