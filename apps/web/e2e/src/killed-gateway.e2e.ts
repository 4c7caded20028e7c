/** `npm start`, and the gateway is killed in the middle of a stream: it is there again, and the stream is settled. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openDatabase } from "@codex-gateway/db";
import { serversOf } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { freePort } from "./free-port.ts";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
let folder: string;
let upstream: SteadyUpstream;
let npm: ChildProcess;
let output = "";
let ports: { web: number; api: number };

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-killed-"));
  upstream = await startSteadyUpstream({ pieceMs: 60_000 });
  ports = { web: await freePort(), api: await freePort() };
  const own = { DATA_FOLDER: folder, DATABASE_URL: "", PORT: String(ports.web), API_PORT: String(ports.api) };
  npm = spawn("npm", ["start"], { cwd: root, env: { ...process.env, ...gatewayEnv(own) }, stdio: "pipe" });
  const take = (text: Buffer) => (output += text.toString());
  npm.stdout?.on("data", take);
  npm.stderr?.on("data", take);
  while (!output.includes("Press Ctrl-C") && npm.exitCode === null) await sleep(100);
}, 180_000);
afterAll(() => {
  npm.kill("SIGKILL");
  for (const pid of serversOf(folder)) process.kill(pid, "SIGKILL");
  upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const gatewayPid = () => Number(readFileSync(path.join(folder, "gateway.pid"), "utf8"));
const isReady = () =>
  fetch(`http://127.0.0.1:${ports.api}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

/** Resolves once its first piece has come. */
async function startStream(key: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${ports.api}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: true, messages: [] }),
  });
  await (response.body as ReadableStream<Uint8Array>).getReader().read();
}

test("a killed gateway is started again, settles what was under way, and says so", async () => {
  const setupToken = /setup\?token=(\S+)/.exec(output)?.[1] ?? null;
  const web = `http://127.0.0.1:${ports.web}`;
  const key = await aFundedKey({ web, setupToken }, upstream.url);
  const figures = [];
  for (let turn = 1; turn <= 2; turn++) {
    await startStream(key);
    const killedPid = gatewayPid();
    process.kill(killedPid, "SIGKILL");
    const killedAtMs = Date.now();
    await expect.poll(() => gatewayPid() === killedPid, { timeout: 30_000, interval: 10 }).toBe(false);
    const startedMs = Date.now() - killedAtMs;
    await expect.poll(isReady, { timeout: 30_000, interval: 20 }).toBe(true);
    const readyMs = Date.now() - killedAtMs;
    const url = readFileSync(path.join(folder, "database-url"), "utf8").trim();
    const db = openDatabase(url, { maxConnections: 2 });
    try {
      // Long before its lease has run out.
      await expect.poll(() => db.prisma.hold.count({ where: { state: "open" } }), { timeout: 10_000 }).toBe(0);
      figures.push({ startedMs, readyMs, settledMs: Date.now() - killedAtMs });
      expect(await db.prisma.charge.count({ where: { basis: "orphan" } })).toBe(turn);
      const told = () => db.prisma.alert.findFirst({ where: { kind: "process_restarted" } });
      await expect
        .poll(told, { timeout: 10_000 })
        .toMatchObject({ facts: { signal: "SIGKILL", exitCode: null, isRestarted: true } });
      expect(await breachesIn(db)).toEqual([]);
    } finally {
      await db.close();
    }
  }
  console.log(JSON.stringify(figures));
}, 120_000);

test("SIGTERM still ends all of it", async () => {
  const ended = new Promise<number | null>((resolve) => npm.once("close", resolve));
  // npm itself hands no signal on: whoever watches over the gateway sees that it is gone.
  npm.kill("SIGTERM");
  await ended;
  await expect.poll(() => serversOf(folder), { timeout: 20_000 }).toEqual([]);
  expect(await isReady()).toBe(false);
  expect(output).toContain("Stopped; 0 calls unsettled.");
}, 60_000);
