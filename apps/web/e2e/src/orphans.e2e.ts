/** A process dies in the middle of a response that its provider brings to an end: another one asks, and charges exactly. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase, startEmbeddedPostgres, type EmbeddedPostgres } from "@codex-gateway/db";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { verifyLedger } from "@codex-gateway/domain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";

let folder: string;
let postgres: EmbeddedPostgres;
let provider: Server;
let gateway: GatewayProcess;
let env: Record<string, string>;

const inProgress = { id: "resp_kept", status: "in_progress", usage: null };
/** 12 in, 4 of them cached, 5 out, gpt-4o-mini: 8 × 0.15 + 4 × 0.075 + 5 × 0.60 USD per million. */
const completed = {
  ...inProgress,
  status: "completed",
  model: "gpt-4o-mini",
  usage: { input_tokens: 12, input_tokens_details: { cached_tokens: 4 }, output_tokens: 5 },
};
const costNanoUsd = 4_500n;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-orphans-"));
  postgres = await startEmbeddedPostgres(path.join(folder, "database"));
  provider = createServer((req, res) => {
    if (req.method === "GET" && req.url === `/v1/responses/${completed.id}`) {
      res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(completed));
      return;
    }
    req.resume();
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(`data: ${JSON.stringify({ type: "response.created", response: inProgress })}\n\n`);
  });
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  env = gatewayEnv({
    DATA_FOLDER: path.join(folder, "gateway"),
    DATABASE_URL: postgres.url,
  });
  gateway = await startGatewayProcess(env);
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
  provider.closeAllConnections();
  provider.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a response whose process died is charged by what its provider says, within 35 s", async () => {
  const key = await aFundedKey(gateway, `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`);
  const answer = await fetch(`${gateway.api}/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "gpt-4o-mini", stream: true, input: "Hello" }),
  });
  const db = openDatabase(postgres.url, { maxConnections: 2 });
  try {
    const idNoted = async () => (await db.prisma.hold.findFirstOrThrow()).upstreamResponseId;
    await expect.poll(idNoted, { timeout: 10_000 }).toBe(completed.id);
    // Read only here: an answer that nothing refers to is garbage, and collecting it hangs up on the gateway.
    expect(answer.status).toBe(200);
    await gateway.stop("SIGKILL");
    const diedAtMs = Date.now();
    gateway = await startGatewayProcess(env);
    const charges = () => db.prisma.charge.findMany();
    while ((await charges()).length === 0 && Date.now() - diedAtMs < 35_000) await sleep(250);
    expect(await charges()).toMatchObject([{ basis: "exact", flags: ["process_died"], costNanoUsd }]);
    expect((await verifyLedger(db)).filter(({ breaches }) => breaches > 0)).toEqual([]);
  } finally {
    await db.close();
  }
}, 90_000);
