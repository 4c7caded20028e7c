import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { aPayer } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deriveSecrets } from "../security/secrets.ts";
import { rotateKey, setKeyStatus, updateKey, type KeyPolicy } from "./key-changes.ts";
import { createKeyRing } from "./key-ring.ts";
import { createKey, listKeys } from "./keys.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
const { keyPepper } = secrets;
let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

async function aKey() {
  const { userId } = await aPayer(db);
  const actor = { userId, email: null, address: "" };
  const { key, secret } = await createKey(db, { userId, name: "laptop", actor, keyPepper });
  return { of: { userId, keyId: key.id, actor }, secret, masked: key.masked };
}

const read = async ({ userId, keyId }: { userId: string; keyId: string }) =>
  (await listKeys(db, userId)).find(({ id }) => id === keyId)!;

const ask = async (secret: string, atMs = Date.now()) => {
  const ring = createKeyRing(db, secrets, () => atMs);
  return ring.authenticate(secret, { endpoint: "responses", remoteAddress: "10.1.2.3" });
};

const linesOf = (keyId: string) =>
  db.prisma.auditLog.findMany({ where: { targetId: keyId, action: { not: "create_key" } }, orderBy: { id: "asc" } });

const policy: KeyPolicy = {
  name: "desk",
  expiresAt: null,
  requestsPerMinute: 60,
  tokensPerMinute: 10_000,
  concurrentRequests: null,
  dailyBudgetNanoUsd: 2_500_000_000n,
  monthlyBudgetNanoUsd: null,
  allowedModels: ["gpt-5*"],
  allowedEndpoints: ["responses"],
  allowedAddresses: ["10.0.0.0/8"],
};

test("a key gets a new name and new limits in place of the old ones, and the log says from what to what", async () => {
  const { of, secret } = await aKey();
  await updateKey(db, { ...of, policy });
  const { name, limits } = await read(of);
  expect({ name, ...limits }).toEqual({
    name: "desk",
    requestsPerMinute: 60,
    tokensPerMinute: 10_000,
    concurrentRequests: null,
    dailyBudgetUsd: "2.500000000",
    monthlyBudgetUsd: null,
    allowedModels: ["gpt-5*"],
    allowedEndpoints: ["responses"],
    allowedAddresses: ["10.0.0.0/8"],
  });
  expect(await ask(secret)).toMatchObject({ apiKeyId: of.keyId, allowedModels: ["gpt-5*"] });
  await updateKey(db, { ...of, policy: { ...policy, allowedEndpoints: ["embeddings"], dailyBudgetNanoUsd: null } });
  expect(await ask(secret)).toEqual({ refused: "endpoint_not_allowed" });
  expect((await linesOf(of.keyId))[1]).toMatchObject({
    action: "update_key",
    details: {
      before: { name: "desk", dailyBudgetNanoUsd: "2500000000", allowedEndpoints: ["responses"] },
      after: { name: "desk", dailyBudgetNanoUsd: null, allowedEndpoints: ["embeddings"] },
    },
  });
});

test("a disabled key is refused until it is enabled, and the same order twice is one line of the log", async () => {
  const { of, secret } = await aKey();
  await setKeyStatus(db, { ...of, status: "disabled" });
  await setKeyStatus(db, { ...of, status: "disabled" });
  expect([await ask(secret), (await read(of)).status]).toEqual([{ refused: "key_disabled" }, "disabled"]);
  await setKeyStatus(db, { ...of, status: "active" });
  expect(await ask(secret)).toMatchObject({ apiKeyId: of.keyId });
  expect((await linesOf(of.keyId)).map(({ action }) => action)).toEqual(["disable_key", "enable_key"]);
});

test("a rotated key has two secrets for the hours given, and then the new one alone", async () => {
  const { of, secret, masked } = await aKey();
  const next = await rotateKey(db, { ...of, masked, graceHours: 24, keyPepper });
  for (const each of [secret, next.secret]) expect(await ask(each)).toMatchObject({ apiKeyId: of.keyId });
  const { previousSecretUntil, masked: shown } = await read(of);
  expect(previousSecretUntil!.getTime() - Date.now()).toBeGreaterThan(23 * 3_600_000);
  expect([shown, shown.slice(-4)]).toEqual([expect.not.stringContaining(masked), next.secret.slice(-4)]);
  await db.prisma.apiKey.update({ where: { id: of.keyId }, data: { previousSecretExpires: new Date() } });
  expect([await ask(secret), await ask(next.secret)]).toMatchObject([
    { refused: "invalid_api_key" },
    { apiKeyId: of.keyId },
  ]);
  expect((await read(of)).previousSecretUntil).toBeNull();
});

test("without hours of grace the old secret is refused at once", async () => {
  const { of, secret, masked } = await aKey();
  const next = await rotateKey(db, { ...of, masked, graceHours: 0, keyPepper });
  expect([await ask(secret), await ask(next.secret)]).toMatchObject([
    { refused: "invalid_api_key" },
    { apiKeyId: of.keyId },
  ]);
});

test("a remembered old secret is asked for again when its time is over", async () => {
  const { of, secret, masked } = await aKey();
  await rotateKey(db, { ...of, masked, graceHours: 1, keyPepper });
  const ends = new Date(Date.now() + 2_000);
  await db.prisma.apiKey.update({ where: { id: of.keyId }, data: { previousSecretExpires: ends } });
  let nowMs = Date.now();
  const ring = createKeyRing(db, secrets, () => nowMs);
  const use = { endpoint: null, remoteAddress: "10.1.2.3" };
  expect(await ring.authenticate(secret, use)).toMatchObject({ apiKeyId: of.keyId });
  await db.prisma.apiKey.update({ where: { id: of.keyId }, data: { previousSecretExpires: new Date() } });
  nowMs = ends.getTime() - 1;
  expect(await ring.authenticate(secret, use)).toMatchObject({ apiKeyId: of.keyId });
  nowMs = ends.getTime();
  expect(await ring.authenticate(secret, use)).toEqual({ refused: "invalid_api_key" });
});

test("ten rotations of the same key as it was seen are one", async () => {
  const { of, masked } = await aKey();
  const rotations = await Promise.allSettled(
    Array.from({ length: 10 }, () => rotateKey(db, { ...of, masked, graceHours: 24, keyPepper })),
  );
  expect(rotations.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await linesOf(of.keyId)).toHaveLength(1);
});

test("nobody changes another one's key, and a deleted key is not found", async () => {
  const [mine, theirs] = [await aKey(), await aKey()];
  await db.prisma.apiKey.update({ where: { id: mine.of.keyId }, data: { status: "deleted" } });
  for (const of of [{ ...theirs.of, userId: mine.of.userId }, mine.of]) {
    await expect(updateKey(db, { ...of, policy })).rejects.toMatchObject({ code: "not_found" });
    await expect(setKeyStatus(db, { ...of, status: "disabled" })).rejects.toMatchObject({ code: "not_found" });
    const rotation = rotateKey(db, { ...of, masked: theirs.masked, graceHours: 24, keyPepper });
    await expect(rotation).rejects.toMatchObject({ code: "not_found" });
  }
});
