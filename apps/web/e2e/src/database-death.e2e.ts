/** The embedded PostgreSQL is killed while its gateway runs: calls get 503 until the gateway has started it again. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDatabase } from "@codex-gateway/db";
import { killServerOf, serverPidOf } from "@codex-gateway/db/testing";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

let folder: string;
let upstream: SteadyUpstream;
let gateway: GatewayProcess;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-death-"));
  upstream = await startSteadyUpstream();
  gateway = await startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: folder,
      DATABASE_URL: "",
    }),
  );
});
afterAll(async () => {
  await gateway.stop();
  upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const pidOfPostgres = () => serverPidOf(folder);

test("a killed database is started again, calls get 503 meanwhile, and no charge is lost", async () => {
  const key = await aFundedKey(gateway, upstream.url);
  const call = async () => {
    const response = await fetch(`${gateway.api}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: '{"model":"gpt-4o-mini","max_tokens":50,"messages":[]}',
    });
    const { error } = (await response.json()) as { error?: { code: string } };
    return `${response.status} ${error?.code ?? ""}`.trim();
  };
  const statusOf = async (address: string) => {
    const response = await fetch(address, { headers: { cookie: `session=${"a".repeat(40)}` }, redirect: "manual" });
    await response.text();
    return response.status;
  };
  /** What a client, a balancer and a browser get. */
  const look = async () => [
    await call(),
    await statusOf(new URL("/readyz", gateway.api).href),
    await statusOf(`${gateway.web}/dashboard`),
  ];
  const well = ["200", 200, 302];
  expect(await look()).toEqual(well);
  const killed: number[] = [];
  let answered = 1;
  for (let turn = 0; turn < 2; turn++) {
    const seen: [Set<unknown>, Set<unknown>, Set<unknown>] = [new Set(), new Set(), new Set()];
    killed.push(pidOfPostgres());
    killServerOf(folder);
    const isWell = async () => {
      const looked = await look();
      looked.forEach((each, at) => seen[at]?.add(each));
      if (looked[0] === "200") answered++;
      return looked;
    };
    await expect.poll(isWell, { timeout: 30_000, interval: 50 }).toEqual(well);
    await expect.poll(() => gateway.output().match(/database_restarted/g)?.length, { timeout: 30_000 }).toBe(turn + 1);
    expect(seen).toEqual([new Set(["200", "503 service_unavailable"]), new Set([200, 503]), new Set([302, 503])]);
  }
  expect(killed).not.toContain(pidOfPostgres());
  const db = openDatabase(readFileSync(path.join(folder, "database-url"), "utf8").trim(), { maxConnections: 2 });
  try {
    await expect.poll(() => db.prisma.hold.count({ where: { state: "open" } }), { timeout: 45_000 }).toBe(0);
    expect(await db.prisma.charge.count({ where: { basis: "exact" } })).toBe(answered);
    expect(await breachesIn(db)).toEqual([]);
  } finally {
    await db.close();
  }
  const heard = gateway.output().match(/"event":"database_\w+"/g);
  expect(heard).toEqual(Array(2).fill(['"event":"database_died"', '"event":"database_restarted"']).flat());
  const pid = pidOfPostgres();
  expect(await gateway.stop()).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
}, 120_000);
