/**
 * Kills the gateway and PostgreSQL under load. What a client has seen finished must be charged exactly once, to the nano;
 * what it has not may be charged at most once. GATEWAY_KILLS and POSTGRES_KILLS make it longer. With a journal, a call begins
 * and ends before its hold and its charge are in the database; without one, after it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { killServerOf } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, test } from "vitest";
import { findWrongCharges, noWrongCharges } from "./charged-once.ts";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";
import { startSteadyUpstream, steadyCostNanoUsd as costNanoUsd, type SteadyUpstream } from "./steady-upstream.ts";

const gatewayKills = Number(process.env.GATEWAY_KILLS ?? 4);
const postgresKills = Number(process.env.POSTGRES_KILLS ?? 1);
const clients = 12;
let upstream: SteadyUpstream;

beforeAll(async () => {
  upstream = await startSteadyUpstream();
});
afterAll(() => upstream.stop());

type Load = { finished: string[]; failed: number; stop(): Promise<void> };

/** Clients that call without a pause, through whatever dies, and note the ids of what they saw finished. */
function startLoad(house: Installation, key: string): Load {
  const load = { finished: [] as string[], failed: 0 };
  let isRunning = true;
  const loop = async (n: number) => {
    for (let turn = 0; isRunning; turn++) {
      const isStream = (n + turn) % 2 === 0;
      const body = JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: isStream, messages: [] });
      try {
        const response = await fetch(`${house.gateway.api}/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}` },
          body,
        });
        const text = await response.text();
        const isWhole = response.status === 200 && (isStream ? text.endsWith("data: [DONE]\n\n") : text.endsWith("}"));
        if (isWhole) load.finished.push(response.headers.get("x-request-id")!);
        else {
          load.failed++;
          await sleep(20);
        }
      } catch {
        load.failed++;
        await sleep(20);
      }
    }
  };
  const loops = Array.from({ length: clients }, (_, n) => loop(n));
  return Object.assign(load, {
    stop: async () => {
      isRunning = false;
      await Promise.all(loops);
    },
  });
}

async function killPostgres(house: Installation): Promise<void> {
  killServerOf(house.databaseFolder);
  await sleep(500);
  await house.startPostgres();
}

/** After a moment in which no charge gets into the database: the journal is all that knows of the last answers. */
async function killBoth(house: Installation): Promise<void> {
  const standing = await house.db.pool.connect();
  await standing.query("BEGIN; LOCK TABLE account IN EXCLUSIVE MODE");
  await sleep(200);
  await house.gateway.stop("SIGKILL");
  await killPostgres(house);
  standing.release(true);
  await house.startGateway();
}

// At once: most of it is waiting until a lease has run out.
test.concurrent.for(["on", "off"])(
  "whatever is killed, a finished request is charged once and to the nano (journal %s)",
  { timeout: 600_000 },
  async (journal, { expect, onTestFinished }) => {
    const house = await startInstallation("kills", { isDurable: true, own: { LEDGER_JOURNAL: journal } });
    onTestFinished(() => house.stop());
    const load = startLoad(house, await aFundedKey(house.gateway, upstream.url));
    const kills = [
      ...Array.from({ length: gatewayKills }, (_, n) => ({ what: "gateway" as const, at: n })),
      // PostgreSQL dies in between, not only after the last gateway.
      ...Array.from({ length: postgresKills }, (_, n) => ({
        what: "postgres" as const,
        at: (n + 0.5) * (gatewayKills / postgresKills),
      })),
      { what: "both" as const, at: gatewayKills },
    ];
    for (const { what } of kills.sort((a, b) => a.at - b.at)) {
      await sleep(300 + Math.random() * 900);
      if (what === "gateway") {
        await house.gateway.stop("SIGKILL");
        await house.startGateway();
      } else if (what === "postgres") {
        await killPostgres(house);
      } else {
        await killBoth(house);
      }
    }
    const lastDeathAtMs = Date.now();
    await sleep(1_000);
    await load.stop();

    const { db } = house;
    const openHolds = () => db.prisma.hold.count({ where: { state: "open" } });
    while ((await openHolds()) > 0 && Date.now() - lastDeathAtMs < 35_000) await sleep(250);
    expect(await openHolds()).toBe(0);
    const charges = await db.prisma.charge.findMany({ select: { holdId: true, costNanoUsd: true, basis: true } });
    const byId = new Map(charges.map((charge) => [charge.holdId, charge]));
    const finished = load.finished.map((id) => byId.get(id));
    const uncharged = finished.filter((charge) => !charge).length;
    const wrong = finished.filter(
      (charge) => charge && (charge.costNanoUsd !== costNanoUsd || charge.basis !== "exact"),
    );
    const settledAfterMs = Date.now() - lastDeathAtMs;
    // Under these nothing was dispatched: holds were drawn from them.
    const reserves = await db.prisma.hold.count({ where: { dispatchedAt: null } });
    console.log(
      JSON.stringify({
        journal,
        gatewayKills: gatewayKills + 1,
        postgresKills: postgresKills + 1,
        finished: finished.length,
        failed: load.failed,
        uncharged,
        wrong: wrong.length,
        charges: charges.length,
        reserves,
        settledAfterMs,
      }),
    );
    expect({ uncharged, wrong }).toEqual({ uncharged: 0, wrong: [] });
    expect(reserves > 0).toBe(journal === "on");
    if (journal === "on") expect(house.gateway.output()).toContain('"event":"spool_adopted"');
    expect(finished.length).toBeGreaterThan(20);
    expect(new Set(load.finished).size).toBe(load.finished.length);
    expect(await findWrongCharges(db, { served: upstream.served, finished: load.finished })).toEqual(noWrongCharges);
    expect(await breachesIn(db)).toEqual([]);
  },
);
