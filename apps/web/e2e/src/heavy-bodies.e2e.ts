/** No single body keeps the event loop from everybody else: /healthz, which needs one turn of it, is asked while each is read. */
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttackingUser } from "./attack/attack.ts";
import { heavyBodyKinds } from "./attack/heavy-bodies.ts";
import { callApi, send } from "./attack/send.ts";
import { startAttackedGateway, type AttackedGateway } from "./attacked-gateway.ts";

/** Of several tries the best counts: what the machine does meanwhile is not the body's doing. */
const tries = 8;
const probeEveryMs = 5;
/** No input may block for 100 ms; the probe itself takes its share, and the machine what it takes without any body. */
const maxBlockMs = 150;
const quietMs = 1_000;

let gateway: AttackedGateway;
let user: AttackingUser;
beforeAll(async () => {
  gateway = await startAttackedGateway();
  user = (await gateway.target(["heavy bodies"])).users["heavy bodies"]!;
}, 60_000);
afterAll(() => gateway.stop());

/** The longest that /healthz took while `work` was under way. */
async function longestProbeMs(work: Promise<unknown>): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const url = gateway.api.replace("/v1", "/healthz");
  const state = { isOver: false };
  const over = work.finally(() => (state.isOver = true));
  let longest = 0;
  while (!state.isOver) {
    const startedAtMs = performance.now();
    await send(url, { method: "GET", agent, signal: AbortSignal.timeout(60_000) });
    longest = Math.max(longest, performance.now() - startedAtMs);
    await sleep(probeEveryMs);
  }
  await over;
  agent.destroy();
  return Math.round(longest);
}

test.each(Object.entries(heavyBodyKinds))(
  "10 MB of %s block nobody",
  async (name, { path, body }) => {
    const bytes = body();
    const limitMs = maxBlockMs + (await longestProbeMs(sleep(quietMs)));
    const seen: number[] = [];
    let status = "";
    for (let n = 0; n < tries && !(Math.min(...seen) < limitMs); n++) {
      const answer = callApi(gateway.api, path, user.apiKey, { body: bytes, signal: AbortSignal.timeout(60_000) });
      seen.push(await longestProbeMs(answer.then((told) => (status = told))));
    }
    console.log(
      `${name}: ${status}, longest turn ${Math.min(...seen)} ms of ${JSON.stringify(seen)}, limit ${limitMs} ms`,
    );
    expect(Math.min(...seen)).toBeLessThan(limitMs);
  },
  120_000,
);
