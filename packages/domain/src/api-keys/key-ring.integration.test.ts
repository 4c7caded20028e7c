import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { aPayer } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deriveSecrets } from "../security/secrets.ts";
import { createKeyRing, mayUseModel, type KeyUse } from "./key-ring.ts";
import { createKey, type NewKeyLimits } from "./keys.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

const chat: KeyUse = { endpoint: "chat.completions", remoteAddress: "10.1.2.3" };

async function aKey(limits: Partial<NewKeyLimits> = {}, expiresAt: Date | null = null) {
  const { userId } = await aPayer(db);
  const nothing = { requestsPerMinute: null, tokensPerMinute: null, concurrentRequests: null };
  const noBudget = { dailyBudgetNanoUsd: null, monthlyBudgetNanoUsd: null };
  const { key, secret } = await createKey(db, {
    userId,
    name: "test",
    actor: { userId, email: null, address: "" },
    keyPepper: secrets.keyPepper,
    limits: { ...nothing, ...noBudget, allowedModels: [], allowedEndpoints: [], allowedAddresses: [], ...limits },
    expiresAt,
  });
  return { userId, keyId: key.id, secret };
}

/** Twice, so that what is remembered is asked as well. */
async function ask(secret: string, use: Partial<KeyUse> = {}) {
  const ring = createKeyRing(db, secrets);
  const answers = [
    await ring.authenticate(secret, { ...chat, ...use }),
    await ring.authenticate(secret, { ...chat, ...use }),
  ];
  expect(answers[0]).toEqual(answers[1]);
  return answers[0]!;
}

test("a key without a policy may be used for everything from everywhere", async () => {
  const { userId, secret } = await aKey();
  expect(await ask(secret)).toMatchObject({ userId });
});

test("a key for some endpoints is refused at others, and may still read", async () => {
  const { userId, secret } = await aKey({ allowedEndpoints: ["embeddings"] });
  expect(await ask(secret)).toEqual({ refused: "endpoint_not_allowed" });
  expect(await ask(secret, { endpoint: "embeddings" })).toMatchObject({ userId });
  expect(await ask(secret, { endpoint: null })).toMatchObject({ userId });
});

test("a key for some addresses is refused from others, also to read", async () => {
  const { userId, secret } = await aKey({ allowedAddresses: ["10.0.0.0/8", "2001:db8::1"] });
  for (const remoteAddress of ["10.9.9.9", "::ffff:10.9.9.9", "2001:db8::1"]) {
    expect(await ask(secret, { remoteAddress })).toMatchObject({ userId });
  }
  for (const remoteAddress of ["11.0.0.1", "2001:db8::2", ""]) {
    expect(await ask(secret, { remoteAddress, endpoint: null })).toEqual({ refused: "address_not_allowed" });
  }
});

test("a key for some models may use those, and those that begin like a pattern", async () => {
  const { secret } = await aKey({ allowedModels: ["gpt-4o-mini", "gpt-5*"] });
  const holder = (await ask(secret)) as { allowedModels: string[] };
  const models = ["gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-4o", "gpt-4o-mini-2"];
  expect(models.filter((model) => mayUseModel(holder, model))).toEqual(["gpt-4o-mini", "gpt-5", "gpt-5-mini"]);
});

test("a key that expires while it is remembered is refused at that moment", async () => {
  const expiresAt = new Date(Date.now() + 3_000);
  const { userId, secret } = await aKey({}, expiresAt);
  let nowMs = expiresAt.getTime() - 1_000;
  const ring = createKeyRing(db, secrets, () => nowMs);
  expect(await ring.authenticate(secret, chat)).toMatchObject({ userId });
  nowMs = expiresAt.getTime();
  expect(await ring.authenticate(secret, chat)).toEqual({ refused: "key_expired" });
});

test("disabled, deleted, unknown and of a suspended user", async () => {
  const [disabled, deleted, suspended] = [await aKey(), await aKey(), await aKey()];
  await db.prisma.apiKey.update({ where: { id: disabled.keyId }, data: { status: "disabled" } });
  await db.prisma.apiKey.update({ where: { id: deleted.keyId }, data: { status: "deleted" } });
  await db.prisma.user.update({ where: { id: suspended.userId }, data: { status: "suspended" } });
  expect(await ask(disabled.secret)).toEqual({ refused: "key_disabled" });
  expect(await ask(deleted.secret)).toEqual({ refused: "invalid_api_key" });
  expect(await ask(suspended.secret)).toEqual({ refused: "user_suspended" });
  expect(await ask(`sk-cg-${randomUUID()}`)).toEqual({ refused: "invalid_api_key" });
});

test("while a secret is replaced both hold, and then the new one alone", async () => {
  const { keyId, secret } = await aKey();
  const next = await aKey();
  const { secretHash } = await db.prisma.apiKey.findUniqueOrThrow({ where: { id: next.keyId } });
  const { secretHash: old } = await db.prisma.apiKey.findUniqueOrThrow({ where: { id: keyId } });
  await db.prisma.apiKey.update({ where: { id: next.keyId }, data: { secretHash: Buffer.from(randomUUID()) } });
  const rotate = (previousSecretExpires: Date) =>
    db.prisma.apiKey.update({
      where: { id: keyId },
      data: { secretHash, previousSecretHash: old, previousSecretExpires },
    });
  await rotate(new Date(Date.now() + 60_000));
  expect([await ask(secret), await ask(next.secret)]).toMatchObject([{ apiKeyId: keyId }, { apiKeyId: keyId }]);
  await rotate(new Date(Date.now() - 1));
  expect([await ask(secret), await ask(next.secret)]).toMatchObject([
    { refused: "invalid_api_key" },
    { apiKeyId: keyId },
  ]);
});

test("with a new secret key, a key's older secret goes over to it as well when it is used", async () => {
  const { keyId, secret } = await aKey();
  const { secretHash } = await db.prisma.apiKey.findUniqueOrThrow({ where: { id: keyId } });
  const data = { secretHash: Buffer.from(randomUUID()), previousSecretHash: secretHash };
  const previousSecretExpires = new Date(Date.now() + 60_000);
  await db.prisma.apiKey.update({ where: { id: keyId }, data: { ...data, previousSecretExpires } });
  const replaced = deriveSecrets("another secret of thirty-two characters", {
    previousSecretKey: "a secret of thirty-two characters",
  });
  const use = { endpoint: null, remoteAddress: "127.0.0.1" };
  expect(await createKeyRing(db, replaced).authenticate(secret, use)).toMatchObject({ apiKeyId: keyId });
  // From now on the secret key before is of no use to it.
  const alone = createKeyRing(db, { ...replaced, previous: null });
  expect(await alone.authenticate(secret, use)).toMatchObject({ apiKeyId: keyId });
});
