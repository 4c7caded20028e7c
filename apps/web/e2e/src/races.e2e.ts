import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createPerson,
  startDemo,
  startGatewayProcess,
  type GatewayProcess,
  type RunningDemo,
} from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findWrongCharges, noWrongCharges } from "./charged-once.ts";
import { breachesOf, urlOf, withDatabase } from "./database-of.ts";
import { anyPorts, demoFolder } from "./demo-folder.ts";
import { gatewayEnv } from "./gateway-env.ts";

let demo: RunningDemo;
let second: GatewayProcess;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  second = await startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: `${demoFolder}/second-${randomUUID()}`,
      DATABASE_URL: urlOf(demo),
      SECRET_KEY: readFileSync(`${demo.dataFolder}/secret-key`, "utf8").trim(),
    }),
  );
});
afterAll(async () => {
  await second.stop();
  await demo.stop();
});

/** Sent with a cap and so priced to the token beforehand: every such call holds the same amount. */
const cappedBody = JSON.stringify({
  model: "gpt-4o-mini",
  max_completion_tokens: 100,
  messages: [{ role: "user", content: "Hello" }],
});
const call = (api: string, key: string) =>
  fetch(`${api}/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: cappedBody });

const idIn = (body: string) => (JSON.parse(body) as { id?: string }).id;

/** A new user whose money is enough for so many calls at once, and their key. */
async function aUserWithMoneyFor(calls: number): Promise<{ key: string; userId: string }> {
  const person = createPerson(demo.web);
  await person.api.auth.register.mutate({ email: `${randomUUID()}@example.com`, password: "password-of-test" });
  const userId = (await person.api.auth.me.query())!.id;
  // At the plain tier: bytes × 0.15 + 100 × 0.60 USD per million
  const holdNanoUsd = BigInt(cappedBody.length * 150 + 100 * 600);
  const amount = holdNanoUsd * BigInt(calls);
  await demo.ownerSession.api.admin.users.adjustBalance.mutate({
    userId,
    amountUsd: `0.${String(amount).padStart(9, "0")}`,
    isPaid: true,
    note: "",
    formId: randomUUID(),
  });
  const { secret } = await person.api.keys.create.mutate({ name: "races" });
  return { key: secret, userId };
}

test.each([
  ["one process", 1],
  ["two processes on one database", 2],
])(
  "200 parallel requests on money for 10: exactly 10 reach the upstream, with %s",
  async (_name, processes) => {
    const { key, userId } = await aUserWithMoneyFor(10);
    const apis = [demo.api, second.api].slice(0, processes);
    // Answers wait, so that no capture gives money back while the requests still come in.
    const before = demo.fake.served.length;
    demo.fake.script.delayMs = 3_000;
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => call(apis[n % processes]!, key)));
    demo.fake.script.delayMs = 0;
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { error?: { type: string } }[];
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(bodies.filter(({ error }) => error?.type === "insufficient_quota")).toHaveLength(190);
    expect(demo.fake.served.length - before).toBe(10);
    const readWallets = () => withDatabase(demo, (db) => db.prisma.account.findMany({ where: { userId } }));
    // An answer may be some milliseconds ahead of the books.
    await expect.poll(async () => (await readWallets()).map(({ heldNanoUsd }) => heldNanoUsd)).toEqual([0n]);
    expect((await readWallets()).every(({ balanceNanoUsd }) => balanceNanoUsd >= 0n)).toBe(true);
    const served = demo.fake.served.flatMap(({ responseBody }) => idIn(responseBody) ?? []);
    const finished = answers.flatMap(({ status, headers }) => (status === 200 ? headers.get("x-request-id")! : []));
    expect(await withDatabase(demo, (db) => findWrongCharges(db, { served, finished }))).toEqual(noWrongCharges);
    expect(await breachesOf(demo)).toEqual([]);
  },
  60_000,
);

test("a deleted key is refused within a second by every process", async () => {
  const { secret, key } = await demo.userSession.api.keys.create.mutate({ name: "short-lived" });
  const statuses = () => Promise.all([demo.api, second.api].map(async (api) => (await call(api, secret)).status));
  expect(await statuses()).toEqual([200, 200]);
  await demo.userSession.api.keys.delete.mutate({ keyId: key.id });
  await sleep(1_000);
  expect(await statuses()).toEqual([401, 401]);
});

test("a suspended user's keys and sessions end at once", async () => {
  const { key, userId } = await aUserWithMoneyFor(5);
  expect((await call(second.api, key)).status).toBe(200);
  await demo.ownerSession.api.admin.users.setStatus.mutate({ userId, status: "suspended" });
  await sleep(1_000);
  expect((await call(second.api, key)).status).toBe(403);
});

test("100 parallel set-ups make one owner, and without the token none", async () => {
  const gateway = await startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: `${demoFolder}/setup-${randomUUID()}`,
      DATABASE_URL: "",
    }),
  );
  const setUp = (token: string, n: number) =>
    createPerson(gateway.web).api.setup.complete.mutate({
      token,
      owner: { email: `owner-${n}@example.com`, password: "password-of-owner" },
      upstream: { baseUrl: "https://api.openai.com/v1", apiKey: "sk-not-a-real-key" },
      announcement: "",
      defaultBalanceUsd: "0",
      isRegistrationOpen: false,
    });
  await expect(setUp("wrong", 0)).rejects.toMatchObject({ data: { code: "FORBIDDEN" } });
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => setUp(gateway.setupToken!, n)));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect((await fetch(`${gateway.web}/setup`)).status).toBe(404);
  expect(await gateway.stop()).toBe(0);
}, 60_000);
