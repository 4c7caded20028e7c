/**
 * Two processes on one database are restarted in turn while clients call without a pause. A client goes to the other
 * process where one takes no connection, as every load balancer does; any other fault is a lost call.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase, startEmbeddedPostgres, type Database, type EmbeddedPostgres } from "@codex-gateway/db";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findWrongCharges, noWrongCharges } from "./charged-once.ts";
import { breachesIn } from "./database-of.ts";
import { freePort } from "./free-port.ts";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";
import { startInstallation } from "./installation.ts";
import { startSteadyUpstream, steadyCostNanoUsd, type SteadyUpstream } from "./steady-upstream.ts";

const requests = 2_000;
const clients = 16;

let folder: string;
let postgres: EmbeddedPostgres;
let upstream: SteadyUpstream;
let gateways: GatewayProcess[];
let key: string;
const envs: Record<string, string>[] = [];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-restart-"));
  postgres = await startEmbeddedPostgres(path.join(folder, "database"));
  upstream = await startSteadyUpstream({ waitMs: 25 });
  for (let n = 0; n < 2; n++) {
    envs.push(
      gatewayEnv({
        PORT: String(await freePort()),
        API_PORT: String(await freePort()),
        // The spools of all processes may lie in one folder.
        DATA_FOLDER: path.join(folder, "gateway"),
        DATABASE_URL: postgres.url,
        DRAIN_SECONDS: "30",
      }),
    );
  }
  const first = await startGatewayProcess(envs[0]!);
  key = await aFundedKey(first, upstream.url);
  gateways = [first, await startGatewayProcess(envs[1]!)];
}, 60_000);
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await postgres.stop();
  upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const apiOf = (n: number) => `http://127.0.0.1:${envs[n % 2]!.API_PORT}/v1`;

function post(n: number, isStream: boolean): Promise<Response> {
  const body = JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: isStream, messages: [] });
  const init = { method: "POST", headers: { authorization: `Bearer ${key}` }, body };
  return fetch(`${apiOf(n)}/chat/completions`, init).catch((error: unknown) => {
    const { code } = (error as { cause?: { code?: string } }).cause ?? {};
    if (code !== "ECONNREFUSED") throw error;
    return fetch(`${apiOf(n + 1)}/chat/completions`, init);
  });
}

test("a rolling restart under load fails no request and leaves nothing unsettled", async () => {
  const failures: string[] = [];
  const ids = new Set<string>();
  let sent = 0;
  const client = async (n: number) => {
    while (sent < requests) {
      const turn = sent++;
      const isStream = turn % 2 === 0;
      try {
        const response = await post(n, isStream);
        const text = await response.text();
        const isWhole = isStream ? text.endsWith("data: [DONE]\n\n") : text.endsWith("}");
        if (response.status === 200 && isWhole) ids.add(response.headers.get("x-request-id")!);
        else failures.push(`${response.status} ${text.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${(error as Error).message} ${String((error as Error).cause)}`);
      }
    }
  };
  const load = Promise.all(Array.from({ length: clients }, (_, n) => client(n)));
  const exitCodes: (number | null)[] = [];
  const stopMs: number[] = [];
  const sentAt: number[] = [];
  for (const n of [0, 1]) {
    while (sent < requests * (0.15 + 0.4 * n)) await sleep(5);
    sentAt.push(sent);
    const startedAtMs = Date.now();
    exitCodes.push(await gateways[n]!.stop("SIGTERM"));
    stopMs.push(Date.now() - startedAtMs);
    gateways[n] = await startGatewayProcess(envs[n]!);
  }
  await load;
  const db = openDatabase(postgres.url, { maxConnections: 2 });
  try {
    const charges = await db.prisma.charge.findMany({ select: { holdId: true, costNanoUsd: true, basis: true } });
    const exact = charges.filter(({ costNanoUsd, basis }) => costNanoUsd === steadyCostNanoUsd && basis === "exact");
    const open = await db.prisma.hold.count({ where: { state: "open" } });
    console.log(JSON.stringify({ requests: ids.size, failed: failures.length, open, exitCodes, stopMs, sentAt }));
    expect(failures).toEqual([]);
    expect({ exitCodes, open, answered: ids.size }).toEqual({ exitCodes: [0, 0], open: 0, answered: requests });
    expect(new Set(exact.map(({ holdId }) => holdId))).toEqual(ids);
    expect(await findWrongCharges(db, { served: upstream.served, finished: [...ids] })).toEqual(noWrongCharges);
    expect(await breachesIn(db)).toEqual([]);
  } finally {
    await db.close();
  }
}, 120_000);

const decode = ({ value }: { value?: Uint8Array }) => new TextDecoder().decode(value);

/** A stream that would take longer than any test, on a gateway of its own, whose first piece has come. */
async function aLongStream(name: string, drainSeconds: string) {
  const slow = await startSteadyUpstream({ waitMs: 5, pieceMs: 60_000 });
  const house = await startInstallation(name, { own: { DRAIN_SECONDS: drainSeconds } });
  const { gateway, db } = house;
  const secret = await aFundedKey(gateway, slow.url);
  const response = await fetch(`${gateway.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}` },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: true, messages: [] }),
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = decode(await reader.read());
  /** What its client has read by its end, which the gateway has cut. */
  const readOn = async () => {
    for (;;) {
      const read = await reader.read().catch(() => null);
      if (!read) return text;
      if (read.done) throw new Error("The stream ended as if it were whole.");
      text += decode(read);
    }
  };
  const end = async () => {
    await house.stop("SIGKILL");
    slow.stop();
  };
  return { gateway, db, readOn, end };
}

const cutOff = /data: \{"error":\{[^\n]*"type":"server_error"[^\n]*\}\}\n\n$/;

async function expectSettled(db: Database): Promise<void> {
  const [charge] = await db.prisma.charge.findMany({ select: { basis: true } });
  expect([charge?.basis, await db.prisma.hold.count({ where: { state: "open" } })]).toEqual(["observed", 0]);
}

test("a stream that outlasts the drain ends with an error that its client can read, and is settled", async () => {
  const { gateway, db, readOn, end } = await aLongStream("slow", "1");
  try {
    const ended = gateway.stop("SIGTERM");
    expect(await readOn()).toMatch(cutOff);
    expect(await ended).toBe(0);
    expect(gateway.output()).toContain("\nStopping: waiting for 1 call, at most 1 s.\n");
    await expectSettled(db);
  } finally {
    await end();
  }
});

test("Ctrl-C says what it waits for, once, and a second Ctrl-C cuts that off in the same way", async () => {
  const { gateway, db, readOn, end } = await aLongStream("hurried", "300");
  try {
    const ended = gateway.stop("SIGINT");
    // As npm and the terminal give it together.
    gateway.child.kill("SIGINT");
    const said = "\nStopping: waiting for 1 call, at most 300 s; press Ctrl-C again to cut it short.\n";
    await expect.poll(() => gateway.output()).toContain(said);
    await sleep(1_000);
    expect(gateway.output().endsWith(said)).toBe(true);
    gateway.child.kill("SIGINT");
    expect(await readOn()).toMatch(cutOff);
    expect(await ended).toBe(0);
    expect(gateway.output().split(said)[1]).toMatch(/^Cutting off 1 call …\n[^]*\nStopped; 0 calls unsettled\.\n$/);
    await expectSettled(db);
  } finally {
    await end();
  }
});
