/**
 * Streams that are longer than what is held for them at first, through deaths of the gateway and of PostgreSQL, and to the
 * end of their user's money. EXTENSION_KILLS makes it longer.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createPerson } from "@codex-gateway/demo";
import { killServerOf } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, test } from "vitest";
import { findWrongCharges, noWrongCharges } from "./charged-once.ts";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";
import { longCostNanoUsd, longOutputTokens, startLongUpstream, type LongUpstream } from "./long-upstream.ts";

const kills = Number(process.env.EXTENSION_KILLS ?? 3);
const clients = 6;
let upstream: LongUpstream;
beforeAll(async () => void (upstream = await startLongUpstream()));
afterAll(() => upstream.stop());

type Read = { id: string | null; text: string; isBroken: boolean };

/** All that came of a stream, also where its connection broke. */
async function readStream(house: Installation, key: string): Promise<Read> {
  const read: Read = { id: null, text: "", isBroken: false };
  const decoder = new TextDecoder();
  try {
    const response = await fetch(`${house.gateway.api}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "gpt-4o-mini", stream: true, messages: [] }),
    });
    read.id = response.headers.get("x-request-id");
    for await (const chunk of response.body!) read.text += decoder.decode(chunk as Uint8Array, { stream: true });
  } catch {
    read.isBroken = true;
  }
  return read;
}

const isWhole = ({ text }: Read) => text.endsWith("data: [DONE]\n\n");
const wordsOf = ({ text }: Read) => text.split("word ").length - 1;

const untilSettled = async ({ db }: Installation, withinMs: number): Promise<number> => {
  const openHolds = () => db.prisma.hold.count({ where: { state: "open" } });
  const untilMs = Date.now() + withinMs;
  while ((await openHolds()) > 0 && Date.now() < untilMs) await sleep(250);
  return openHolds();
};

test.concurrent.for(["on", "off"])(
  "whatever is killed between two slices, what was finished is charged once and the rest within its hold (journal %s)",
  { timeout: 300_000 },
  async (journal, { expect, onTestFinished }) => {
    const house = await startInstallation("extensions", { isDurable: true, own: { LEDGER_JOURNAL: journal } });
    onTestFinished(() => house.stop());
    const key = await aFundedKey(house.gateway, upstream.url);
    const finished: string[] = [];
    let isRunning = true;
    const loops = Array.from({ length: clients }, async () => {
      while (isRunning) {
        const read = await readStream(house, key);
        if (isWhole(read)) finished.push(read.id!);
        else await sleep(50);
      }
    });
    for (let n = 0; n < kills; n++) {
      await sleep(800 + Math.random() * 1_500);
      if (n % 3 === 1) {
        killServerOf(house.databaseFolder);
        await sleep(500);
        await house.startPostgres();
      } else {
        await house.gateway.stop("SIGKILL");
        await house.startGateway();
      }
    }
    await sleep(4_000);
    isRunning = false;
    await Promise.all(loops);
    expect(await untilSettled(house, 40_000)).toBe(0);

    const { db } = house;
    const holds = await db.prisma.hold.findMany({ where: { dispatchedAt: { not: null }, state: "captured" } });
    const held = new Map(holds.map(({ id, amountNanoUsd }) => [id, amountNanoUsd]));
    const charges = await db.prisma.charge.findMany();
    const whole = charges.filter(({ holdId }) => finished.includes(holdId));
    expect(whole.every(({ basis, costNanoUsd }) => basis === "exact" && costNanoUsd === longCostNanoUsd)).toBe(true);
    expect(finished.length).toBeGreaterThan(clients);
    const orphans = charges.filter(({ basis }) => basis === "orphan");
    expect(orphans.filter(({ holdId, costNanoUsd }) => costNanoUsd > held.get(holdId)!)).toEqual([]);
    // A whole one was held for in full at its end, in slices.
    expect(whole.filter(({ holdId, costNanoUsd }) => held.get(holdId)! < costNanoUsd)).toEqual([]);
    expect(await findWrongCharges(db, { served: upstream.served, finished })).toEqual(noWrongCharges);
    expect(await breachesIn(db)).toEqual([]);
    console.log(JSON.stringify({ journal, kills, finished: finished.length, orphans: orphans.length }));
  },
);

test("at the end of the money of five streams at once, each ends with a sentence and is charged for what came", async ({
  expect,
  onTestFinished,
}) => {
  const house = await startInstallation("short-of-money");
  onTestFinished(() => house.stop());
  const key = await aFundedKey(house.gateway, upstream.url);
  await leaveUsd(house, "0.02");
  const reads = await Promise.all(Array.from({ length: 5 }, () => readStream(house, key)));
  expect(await untilSettled(house, 10_000)).toBe(0);
  const ended = reads.filter((read) => !isWhole(read));
  // Money for 33,000 of 60,000 tokens.
  expect(ended.length).toBeGreaterThan(0);
  const charges = await house.db.prisma.charge.findMany();
  let spent = 0n;
  for (const read of reads) {
    const charge = charges.find(({ holdId }) => holdId === read.id)!;
    const output = Number((charge.usage as Record<string, unknown>).output);
    spent += charge.costNanoUsd;
    if (isWhole(read)) {
      expect(charge).toMatchObject({ basis: "exact", costNanoUsd: longCostNanoUsd });
      continue;
    }
    expect(read.isBroken).toBe(true);
    const last = read.text.trimEnd().split("\n\n").at(-1)!;
    expect(last).toContain("Your balance is used up, so the response ends here.");
    expect(read.text).not.toContain("[DONE]");
    expect(charge).toMatchObject({ basis: "observed", flags: ["ended_for:credit_balance_exhausted"] });
    expect(output).toBeLessThan(longOutputTokens);
    expect(Math.abs(output - wordsOf(read))).toBeLessThan(200);
  }
  const wallet = await house.db.prisma.account.findFirstOrThrow({ where: { kind: "wallet" } });
  expect(wallet.heldNanoUsd).toBe(0n);
  // All but what no further slice could be made of, and none of it twice; what came beyond is a debt.
  expect(wallet.balanceNanoUsd).toBeLessThan(4_000_000n);
  expect(spent).toBeGreaterThan(16_000_000n);
  expect(await breachesIn(house.db)).toEqual([]);
}, 120_000);

/** Of the owner's thousand dollars. */
async function leaveUsd(house: Installation, amountUsd: string): Promise<void> {
  const owner = createPerson(house.gateway.web);
  await owner.api.auth.login.mutate({ email: "owner@example.com", password: "password-of-owner" });
  const userId = (await owner.api.auth.me.query())!.id;
  const taken = { amountUsd: `-${(1_000 - Number(amountUsd)).toFixed(4)}`, isPaid: true, note: "" };
  await owner.api.admin.users.adjustBalance.mutate({ userId, ...taken, formId: randomUUID() });
}
