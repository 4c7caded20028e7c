/** Clients that leave, and clients that do not read, at both doors: what it costs them, and what it costs the machine. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@codex-gateway/db";
import type { GatewayProcess } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachesIn } from "./database-of.ts";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";
import { startLeakyUpstream, type LeakyUpstream, type Manner } from "./leaky-upstream.ts";

/** Loaded into the gateway's process: a signal collects its garbage. */
const collectOnSignal = `
  import v8 from "node:v8";
  import vm from "node:vm";
  v8.setFlagsFromString("--expose-gc");
  const gc = vm.runInNewContext("gc");
  process.on("SIGUSR2", () => { gc(); gc(); process.stderr.write("garbage collected\\n"); });
`;
const stopWithinMs = 250;
const maxUnreadBytes = 16 * 1024 * 1024;

let house: Installation;
let upstream: LeakyUpstream;
let gateway: GatewayProcess;
let db: Database;
let key: string;

beforeAll(async () => {
  upstream = await startLeakyUpstream();
  house = await startInstallation("disconnects", {
    own: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(collectOnSignal)}` },
  });
  ({ gateway, db } = house);
  key = await aFundedKey(gateway, upstream.url);
}, 60_000);
afterAll(async () => {
  await house.stop();
  upstream.stop();
});

async function collectGarbage(): Promise<void> {
  const collections = () => gateway.output().split("garbage collected").length;
  const before = collections();
  gateway.child.kill("SIGUSR2");
  await expect.poll(collections).toBe(before + 1);
}

type Door = "the API's port" | "the Remix route";
const doors: Door[] = ["the API's port", "the Remix route"];

type Call = { prompt: string; request: ClientRequest; answer: Promise<IncomingMessage> };

/** A call on a connection of its own. */
function call(door: Door, manner: Manner): Call {
  const prompt = `${manner} ${randomUUID()}`;
  const base = door === "the Remix route" ? `${gateway.web}/v1` : gateway.api;
  const sent = request(`${base}/chat/completions`, {
    method: "POST",
    agent: false,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => sent.once("response", resolve).on("error", reject));
  answer.catch(() => undefined);
  sent.end(
    JSON.stringify({
      model: "gpt-4o-mini",
      stream: manner !== "whole",
      messages: [{ role: "user", content: prompt }],
    }),
  );
  return { prompt, request: sent, answer };
}

/** The next bytes of an answer that is read by hand. */
const nextBytes = (answer: IncomingMessage) => new Promise<Buffer>((resolve) => answer.once("data", resolve));

const newestCharges = (afterMs: number) =>
  db.prisma.charge.findMany({ where: { createdAt: { gte: new Date(afterMs) } }, orderBy: { createdAt: "desc" } });

async function expectSettledOnce(afterMs: number, charge: object): Promise<void> {
  await expect.poll(async () => (await newestCharges(afterMs)).length, { timeout: 5_000 }).toBe(1);
  await sleep(100);
  expect(await newestCharges(afterMs)).toMatchObject([charge]);
  expect(await db.prisma.hold.count({ where: { state: "open" } })).toBe(0);
}

const points: [point: string, manner: Manner, output: number | null][] = [
  ["before the first byte of a stream", "silent", 0],
  ["in the middle of a stream", "trickle", null],
  ["while a stream pauses", "pause", 2],
];
const cases = doors.flatMap((door) =>
  points.flatMap(([point, manner, output]) =>
    [false, true].map((isCollected) => ({ door, point, manner, output, isCollected })),
  ),
);

test.each(cases)(
  "a client that leaves $door $point stops the upstream and pays once, garbage collected: $isCollected",
  async ({ door, manner, output, isCollected }) => {
    const startedAtMs = Date.now() - 1;
    const { prompt, request: sent, answer } = call(door, manner);
    await expect.poll(() => upstream.calls.has(prompt)).toBe(true);
    if (manner !== "silent") {
      const got = await answer;
      got.on("error", () => undefined);
      await nextBytes(got);
      if (manner === "pause") await sleep(100);
    }
    if (isCollected) await collectGarbage();
    const leftAtMs = Date.now();
    sent.destroy();
    await expect.poll(() => upstream.calls.get(prompt)?.closedAtMs, { interval: 10 }).not.toBeNull();
    expect(upstream.calls.get(prompt)!.closedAtMs! - leftAtMs).toBeLessThan(stopWithinMs);
    await expectSettledOnce(startedAtMs, {
      basis: "observed",
      flags: ["broke_off"],
      ...(output === null ? {} : { usage: { output } }),
    });
  },
);

test.each(doors.flatMap((door) => [false, true].map((isCollected) => ({ door, isCollected }))))(
  "a whole answer whose client has left $door is fetched to its end and charged exactly, garbage collected: $isCollected",
  async ({ door, isCollected }) => {
    const startedAtMs = Date.now() - 1;
    const { prompt, request: sent } = call(door, "whole");
    await expect.poll(() => upstream.calls.has(prompt)).toBe(true);
    if (isCollected) await collectGarbage();
    sent.destroy();
    await expectSettledOnce(startedAtMs, { basis: "exact", usage: { input: 12, output: 5 }, costNanoUsd: 4_800n });
  },
);

/** What the gateway's process holds in memory. */
const residentBytes = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.child.pid}/status`, "utf8"))![1]) * 1_024;

test.each(doors)("a client that never reads costs no more than 16 MiB at %s", async (door) => {
  const startedAtMs = Date.now() - 1;
  await collectGarbage();
  const before = residentBytes();
  const { prompt, request: sent, answer } = call(door, "flood");
  (await answer).pause().on("error", () => undefined);
  let most = 0;
  for (let n = 0; n < 20; n++) {
    await sleep(100);
    most = Math.max(most, residentBytes());
  }
  expect(most - before).toBeLessThan(maxUnreadBytes);
  expect(upstream.calls.get(prompt)!.sentBytes).toBeLessThan(maxUnreadBytes);
  sent.destroy();
  await expectSettledOnce(startedAtMs, { basis: "observed" });
});

test("and the books are sound", async () => {
  expect(await breachesIn(db)).toEqual([]);
});
