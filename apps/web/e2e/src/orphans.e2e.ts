/** A process dies in the middle of a response that its provider brings to an end: another one asks, and charges exactly. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";

let house: Installation;
let provider: Server;

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
  house = await startInstallation("orphans");
}, 60_000);
afterAll(async () => {
  await house.stop();
  provider.closeAllConnections();
  provider.close();
});

test("a response whose process died is charged by what its provider says, within 35 s", async () => {
  const key = await aFundedKey(house.gateway, `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`);
  const answer = await fetch(`${house.gateway.api}/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "gpt-4o-mini", stream: true, input: "Hello" }),
  });
  const idNoted = async () => (await house.db.prisma.hold.findFirstOrThrow()).upstreamResponseId;
  await expect.poll(idNoted, { timeout: 10_000 }).toBe(completed.id);
  // Read only here: an answer that nothing refers to is garbage, and collecting it hangs up on the gateway.
  expect(answer.status).toBe(200);
  await house.gateway.stop("SIGKILL");
  const diedAtMs = Date.now();
  await house.startGateway();
  const charges = () => house.db.prisma.charge.findMany();
  while ((await charges()).length === 0 && Date.now() - diedAtMs < 35_000) await sleep(250);
  expect(await charges()).toMatchObject([{ basis: "exact", flags: ["process_died"], costNanoUsd }]);
  expect(await breachesIn(house.db)).toEqual([]);
}, 90_000);
