/** The embedded PostgreSQL is killed while its gateway runs: calls get 503 until the gateway has started it again. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDatabase } from "@codex-gateway/db";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { verifyLedger } from "@codex-gateway/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aFundedKey } from "./funded-key.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

let folder: string;
let upstream: SteadyUpstream;
let gateway: GatewayProcess;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-death-"));
  upstream = await startSteadyUpstream();
  gateway = await startGatewayProcess({
    PORT: "0",
    API_PORT: "0",
    HOST: "127.0.0.1",
    DATA_FOLDER: folder,
    DATABASE_URL: "",
    PUBLIC_URL: "",
    SECRET_KEY: "",
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const pidOfPostgres = () => Number(readFileSync(path.join(folder, "postgres/postmaster.pid"), "utf8").split("\n")[0]);

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
  const statusOf = async (address: string) => (await fetch(address)).status;
  const ready = () => statusOf(new URL("/readyz", gateway.api).href);
  expect(await call()).toBe("200");
  const killed: number[] = [];
  let answered = 1;
  for (let turn = 0; turn < 2; turn++) {
    killed.push(pidOfPostgres());
    process.kill(pidOfPostgres(), "SIGKILL");
    const outcomes = new Set([await call(), await call()]);
    await expect
      .poll(
        async () => {
          const outcome = await call();
          outcomes.add(outcome);
          if (outcome === "200") answered++;
          return outcome;
        },
        { timeout: 30_000, interval: 50 },
      )
      .toBe("200");
    await expect.poll(() => gateway.output().match(/database_restarted/g)?.length, { timeout: 30_000 }).toBe(turn + 1);
    expect([...outcomes].toSorted()).toEqual(["200", "503 service_unavailable"]);
    expect([await ready(), await statusOf(`${gateway.web}/login`)]).toEqual([200, 200]);
  }
  expect(killed).not.toContain(pidOfPostgres());
  const db = openDatabase(readFileSync(path.join(folder, "database-url"), "utf8").trim(), { maxConnections: 2 });
  try {
    await expect.poll(() => db.prisma.hold.count({ where: { state: "open" } }), { timeout: 45_000 }).toBe(0);
    expect(await db.prisma.charge.count({ where: { basis: "exact" } })).toBe(answered);
    expect((await verifyLedger(db)).filter(({ breaches }) => breaches > 0)).toEqual([]);
  } finally {
    await db.close();
  }
  const heard = gateway.output().match(/"event":"database_\w+"/g);
  expect(heard).toEqual(Array(2).fill(['"event":"database_died"', '"event":"database_restarted"']).flat());
  const pid = pidOfPostgres();
  expect(await gateway.stop()).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
}, 120_000);
