import { createHash, randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Ledger } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, aRequestId, type Payer } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { claimIdempotency, forgetExpiredAnswers, giveUpIdempotency, keepAnswer } from "./idempotency.ts";

let db: TestDatabase;
let ledger: Ledger;
let payer: Payer;
beforeAll(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
  payer = await aPayer(db);
});
afterAll(() => db.drop());

const digestOf = (text: string) => createHash("sha256").update(text).digest();
const aName = (key = randomUUID()) => ({ apiKeyId: payer.apiKeyId, key, holdId: aRequestId() });
const claim = (name: ReturnType<typeof aName>, body = "body", now = new Date()) =>
  claimIdempotency(db, { ...name, bodyDigest: digestOf(body) }, now);
const again = (name: ReturnType<typeof aName>) => ({ ...name, holdId: aRequestId() });
const answer = { status: 200, contentType: "application/json", body: Buffer.from('{"id":"1"}') };

test("a second call of the same name waits until the first is charged, then gets its answer", async () => {
  const name = aName();
  expect(await claim(name)).toEqual({ outcome: "claimed" });
  expect(await claim(again(name))).toEqual({ outcome: "running" });
  await ledger.hold(aHold(payer, { id: name.holdId }));
  await keepAnswer(db, { ...name, ...answer });
  expect(await claim(again(name))).toEqual({ outcome: "running" });
  await ledger.capture(aCapture(name.holdId));
  expect(await claim(again(name))).toEqual({ outcome: "answered", holdId: name.holdId, ...answer });
});

test("of twenty claims at once one gets the name", async () => {
  const name = aName();
  const claims = await Promise.all(Array.from({ length: 20 }, () => claim(again(name))));
  expect(claims.map(({ outcome }) => outcome).toSorted()).toEqual(["claimed", ...Array<string>(19).fill("running")]);
});

test("another body under the same name is refused, another key's name is another name", async () => {
  const name = aName();
  await claim(name);
  expect(await claim(again(name), "another body")).toEqual({ outcome: "other_body" });
  const stranger = await aPayer(db);
  expect(await claim({ ...again(name), apiKeyId: stranger.apiKeyId })).toEqual({ outcome: "claimed" });
});

test.each([
  ["not_kept", { isStream: false }],
  ["streamed", { isStream: true }],
  ["died", { basis: "orphan", isStream: true }],
] as const)("a call that was charged without an answer that is kept is not called again: %s", async (why, capture) => {
  const name = aName();
  await claim(name);
  await ledger.hold(aHold(payer, { id: name.holdId }));
  await ledger.capture(aCapture(name.holdId, capture));
  expect(await claim(again(name))).toEqual({ outcome: "spent", holdId: name.holdId, why });
});

test("a name is free again when its call was released or refused, or its process died before it held", async () => {
  const [released, refused, died] = [aName(), aName(), aName()];
  for (const name of [released, refused, died]) await claim(name);
  await ledger.hold(aHold(payer, { id: released.holdId }));
  await ledger.release(released.holdId);
  await giveUpIdempotency(db, refused);
  await db.pool.query("UPDATE idempotency SET created_at = now() - interval '2 minutes' WHERE key = $1", [died.key]);
  for (const name of [released, refused, died]) expect(await claim(again(name))).toEqual({ outcome: "claimed" });
});

test("after a day the name is free and the answer is forgotten, but never under a call that runs", async () => {
  const [over, running] = [aName(), aName()];
  const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000);
  for (const name of [over, running]) {
    await claim(name, "body", twoDaysAgo);
    await ledger.hold(aHold(payer, { id: name.holdId }));
  }
  await keepAnswer(db, { ...over, ...answer });
  await ledger.capture(aCapture(over.holdId));
  expect(await forgetExpiredAnswers(db)).toBe(1);
  expect(await claim(again(over), "another body")).toEqual({ outcome: "claimed" });
  expect(await claim(again(running))).toEqual({ outcome: "running" });
  await ledger.release(running.holdId);
});
