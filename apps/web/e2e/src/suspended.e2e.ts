/** Processes that stand still for longer than their lease, as on a machine that is suspended: SIGSTOP, 40 s, SIGCONT. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase, startEmbeddedPostgres, type Database, type EmbeddedPostgres } from "@codex-gateway/db";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";

const longerThanALeaseMs = 40_000;
/** 12 in, 5 out, gpt-4o-mini: 12 × 0.15 + 5 × 0.60 USD per million. */
const costNanoUsd = 4_800n;

let folder: string;
let postgres: EmbeddedPostgres;
let db: Database;
let provider: Server;
let gateways: GatewayProcess[];
let key: string;
/** Lets the streams that were begun go on to their end. */
let goOn: () => void;
let going: Promise<void>;

function holdStreams(): void {
  going = new Promise((resolve) => (goOn = resolve));
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-suspended-"));
  holdStreams();
  provider = createServer((req, res) => {
    const send = (chunk: object) => res.write(`data: ${JSON.stringify(chunk)}\n\n`);
    req.resume();
    res.writeHead(200, { "content-type": "text/event-stream" });
    const id = randomUUID();
    send({ id, choices: [{ index: 0, delta: { content: "one " } }] });
    going
      .then(() => {
        send({ id, choices: [{ index: 0, delta: { content: "two three four five" }, finish_reason: "stop" }] });
        send({ id, choices: [], usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 } });
        res.end("data: [DONE]\n\n");
      })
      .catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  postgres = await startEmbeddedPostgres(path.join(folder, "database"), { serverOptions: ["-c", "fsync=off"] });
  db = openDatabase(postgres.url, { maxConnections: 2 });
  const own = { DATABASE_URL: postgres.url, SECRET_KEY: "a secret of thirty-two characters" };
  const first = await startGatewayProcess(gatewayEnv({ ...own, DATA_FOLDER: path.join(folder, "first") }));
  gateways = [first];
  key = await aFundedKey(first, `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`);
  gateways.push(await startGatewayProcess(gatewayEnv({ ...own, DATA_FOLDER: path.join(folder, "second") })));
}, 120_000);
afterAll(async () => {
  goOn();
  for (const gateway of gateways) gateway.child.kill("SIGCONT");
  await db.close();
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await postgres.stop();
  provider.closeAllConnections();
  provider.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(holdStreams);

/** Resolves once its first piece has come, with what reads it to its end. */
async function startStream({ api }: GatewayProcess): Promise<() => Promise<string>> {
  const response = await fetch(`${api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: true, messages: [] }),
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode((await reader.read()).value, { stream: true });
  return async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value, { stream: true });
    }
  };
}

const startStreams = (gateway: GatewayProcess, count: number) =>
  Promise.all(Array.from({ length: count }, () => startStream(gateway)));
const signal = (sent: NodeJS.Signals, to: GatewayProcess[]) => to.forEach(({ child }) => child.kill(sent));
const balance = async () => (await db.prisma.account.findFirstOrThrow({ where: { kind: "wallet" } })).balanceNanoUsd;

test("all processes sleep: none takes another for dead, and all streams are charged exactly", async () => {
  const before = await balance();
  const streams = (await Promise.all(gateways.map((gateway) => startStreams(gateway, 10)))).flat();
  signal("SIGSTOP", gateways);
  await sleep(longerThanALeaseMs);
  signal("SIGCONT", gateways);
  // Reapers look every two seconds.
  await sleep(10_000);
  expect(await db.prisma.charge.count()).toBe(0);
  goOn();
  for (const text of await Promise.all(streams.map((read) => read()))) expect(text).toContain("[DONE]");
  await expect.poll(() => db.prisma.charge.count({ where: { basis: "exact", flags: { isEmpty: true } } })).toBe(20);
  expect(await balance()).toBe(before - 20n * costNanoUsd);
  expect(await breachesIn(db)).toEqual([]);
}, 150_000);

test("one process sleeps: another one settles for it, and once awake it corrects each charge once", async () => {
  const [sleeper] = gateways as [GatewayProcess];
  const before = await balance();
  const streams = await startStreams(sleeper, 5);
  signal("SIGSTOP", [sleeper]);
  const estimated = () => db.prisma.charge.count({ where: { basis: "orphan" } });
  await expect.poll(estimated, { timeout: 60_000, interval: 500 }).toBe(5);
  signal("SIGCONT", [sleeper]);
  goOn();
  for (const text of await Promise.all(streams.map((read) => read()))) expect(text).toContain("[DONE]");
  await expect.poll(() => db.prisma.trueUp.count(), { timeout: 20_000 }).toBe(5);
  expect(await db.prisma.trueUp.count({ where: { basis: "exact", costNanoUsd } })).toBe(5);
  expect(await balance()).toBe(before - 5n * costNanoUsd);
  expect(await breachesIn(db)).toEqual([]);
}, 150_000);
