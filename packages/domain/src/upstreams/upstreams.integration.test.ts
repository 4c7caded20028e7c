/** A stored key is for the server that it was typed for: no admin can have it sent to another one. */
import { inTransaction } from "@codex-gateway/db";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { deriveSecrets } from "../security/secrets.ts";
import { writeSettings } from "../settings/settings.ts";
import { listUpstreams, openUpstream, openUpstreams, putUpstream, saveUpstream } from "./upstreams.ts";

const secrets = deriveSecrets("a secret of thirty-two characters");
const actor = { userId: null, email: null, address: "" };
const baseUrl = "https://api.example.com/v1";
const apiKey = "sk-the-stored-key";

let db: TestDatabase;
let id: string;
beforeAll(async () => {
  db = await createTestDatabase();
  await writeSettings(db.pool, { allowsPrivateUpstreams: true });
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.pool.query("DELETE FROM upstream");
  id = await saveUpstream(db.pool, secrets, { baseUrl, apiKey });
});

const anUpstream = () => ({ id, name: "x", weight: 1, isEnabled: true, addsMembers: true, projectTier: null });
type Change = { baseUrl: string; apiKey: string | null };
const ways: [string, (change: Change) => Promise<unknown>][] = [
  ["upstreams", (change) => putUpstream(db, secrets, { ...anUpstream(), ...change, actor })],
  ["settings", (change) => inTransaction(db, (client) => saveUpstream(client, secrets, change))],
];

describe.each(ways)("by the page of the %s", (_page, change) => {
  test.each([
    "https://evil.example/v1",
    "http://api.example.com/v1",
    "https://api.example.com:8443/v1",
    "https://api.example.com./v1",
    "https://api.example.com.evil.example/v1",
    "https://аpi.example.com/v1",
    "https://127.0.0.1/v1",
  ])("%s needs the key anew", async (other) => {
    await expect(change({ baseUrl: other, apiKey: null })).rejects.toMatchObject({
      code: "invalid_input",
      field: "apiKey",
    });
    expect(await openUpstream(db, secrets, id)).toEqual({ baseUrl, apiKey });
    await change({ baseUrl: other, apiKey: "sk-another-key" });
    expect(await openUpstream(db, secrets, id)).toMatchObject({ apiKey: "sk-another-key" });
  });

  test.each([
    ["https://api.example.com/v2", "https://api.example.com/v2"],
    ["https://API.example.COM/v1", baseUrl],
    ["https://api.example.com:443/v1/", baseUrl],
    ["HTTPS://api.example.com/x/../v1", baseUrl],
  ])("%s is the same server", async (same, stored) => {
    await change({ baseUrl: same, apiKey: null });
    expect(await openUpstream(db, secrets, id)).toEqual({ baseUrl: stored, apiKey });
  });

  test("a name or a password within the address is none of it", async () => {
    for (const text of ["https://api.example.com@evil.example/v1", "https://:p@api.example.com/v1"]) {
      await expect(change({ baseUrl: text, apiKey: null })).rejects.toMatchObject({ field: "baseUrl" });
    }
  });
});

test("two changes at once cannot carry a key along", async () => {
  const put = (change: Change) => ways[0]![1](change);
  await Promise.allSettled(
    [1, 2, 3, 4].flatMap((n) => [
      put({ baseUrl: `https://evil-${n}.example/v1`, apiKey: null }),
      put({ baseUrl: `https://new-${n}.example/v1`, apiKey: `sk-new-key-${n}` }),
    ]),
  );
  const [upstream] = await listUpstreams(db);
  const opened = await openUpstream(db, secrets, upstream!.id);
  expect(opened.baseUrl).toBe(`https://new-${opened.apiKey.at(-1)}.example/v1`);
});

test("a change of server stands in the audit log, with the one before", async () => {
  await ways[0]![1]({ baseUrl: "https://other.example/v1", apiKey: "sk-another-key" });
  const { rows } = await db.pool.query<{ details: object }>("SELECT details FROM audit_log ORDER BY id DESC LIMIT 1");
  expect(rows[0]?.details).toMatchObject({
    before: { baseUrl },
    after: { baseUrl: "https://other.example/v1" },
    isKeyChanged: true,
  });
});

test("how it is spoken to is kept, audited, and told to the gateway", async () => {
  await putUpstream(db, secrets, {
    ...anUpstream(),
    baseUrl,
    apiKey: null,
    addsMembers: false,
    projectTier: "priority",
    actor,
  });
  expect(await openUpstreams(db, secrets)).toMatchObject([{ addsMembers: false, projectTier: "priority" }]);
  expect(await listUpstreams(db)).toMatchObject([{ addsMembers: false, projectTier: "priority" }]);
  const { rows } = await db.pool.query<{ details: object }>("SELECT details FROM audit_log ORDER BY id DESC LIMIT 1");
  expect(rows[0]?.details).toMatchObject({
    before: { addsMembers: true, projectTier: null },
    after: { addsMembers: false, projectTier: "priority" },
  });
});
