import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { writeSettings } from "../settings/settings.ts";
import { dismissUnpricedModel, listUnpricedModels, priceUnpricedModel } from "./price-unpriced.ts";
import { loadPrices, seedPrices } from "./price-store.ts";
import { createUnpricedModels } from "./unpriced-models.ts";

const now = new Date("2026-11-28T00:00:00Z");
const actor = { userId: null, email: "owner@example.com", address: "127.0.0.1" };
let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
  await seedPrices(db, now);
});
beforeEach(() => db.pool.query("DELETE FROM unpriced_model"));
afterAll(() => db.drop());

test("a model without a price is counted, suggested at its sibling's price, and sold at it after one click", async () => {
  const models = createUnpricedModels(db);
  models.note("gpt-6.3-sol");
  models.note("gpt-6.3-sol");
  models.note("my-own-model");
  await models.flush();
  expect(await listUnpricedModels(db, now)).toMatchObject([
    { model: "gpt-6.3-sol", requests: 2, suggestion: { kind: "sibling", basedOn: "gpt-6.2-sol" } },
    { model: "my-own-model", requests: 1, suggestion: null },
  ]);
  await expect(priceUnpricedModel(db, { model: "gpt-6.3-sol", basedOn: "gpt-4o", actor })).rejects.toThrow("changed");
  await priceUnpricedModel(db, { model: "gpt-6.3-sol", basedOn: "gpt-6.2-sol", actor });
  const { book } = await loadPrices(db, now);
  expect(book.find("gpt-6.3-sol")?.prices.bands).toEqual(book.find("gpt-6.2-sol")?.prices.bands);
  expect((await listUnpricedModels(db, now)).map(({ model }) => model)).toEqual(["my-own-model"]);
  const { rows } = await db.pool.query("SELECT action, target_id FROM audit_log ORDER BY id DESC LIMIT 1");
  expect(rows).toEqual([{ action: "update_price", target_id: "gpt-6.3-sol" }]);
});

test("a model that is dismissed comes back when it is asked for again", async () => {
  const models = createUnpricedModels(db);
  models.note("gpt-9");
  await models.flush();
  await dismissUnpricedModel(db, { model: "gpt-9", actor });
  expect(await listUnpricedModels(db, now)).toEqual([]);
  await expect(dismissUnpricedModel(db, { model: "gpt-9", actor })).rejects.toThrow("no such model");
  models.note("gpt-9");
  await models.flush();
  expect(await listUnpricedModels(db, now)).toHaveLength(1);
});

test("names that no model has are not kept, and a flood of names fills neither memory nor table", async () => {
  const models = createUnpricedModels(db);
  for (const name of ["", " ", "a b", "a\u0000", "\ud800", "<script>", "x".repeat(129), "模型"]) models.note(name);
  await models.flush();
  expect(await listUnpricedModels(db, now)).toEqual([]);
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 1_000; n++) models.note(`flood-${round}-${n}`);
    await models.flush();
  }
  const { rows } = await db.pool.query("SELECT count(*)::int AS n FROM unpriced_model");
  expect(rows[0]).toEqual({ n: 200 });
});

test("counts outlive a database that is away", async () => {
  let isAway = true;
  const flaky = {
    pool: {
      query: (...args: [string, unknown[]]) => (isAway ? Promise.reject(new Error("away")) : db.pool.query(...args)),
    },
  } as unknown as TestDatabase;
  const models = createUnpricedModels(flaky);
  models.note("gpt-9");
  await expect(models.flush()).rejects.toThrow("away");
  models.note("gpt-9");
  isAway = false;
  await models.flush().catch(() => undefined);
  expect((await listUnpricedModels(db, now))[0]).toMatchObject({ model: "gpt-9", requests: 2 });
});

test("the owner is told of each new name once", async () => {
  await db.pool.query("DELETE FROM alert");
  await writeSettings(db.pool, { alertWebhookUrl: "https://hooks.example.com/x" });
  const models = createUnpricedModels(db);
  models.note("gpt-10");
  models.note("gpt-11");
  await models.flush();
  models.note("gpt-10");
  await models.flush();
  const { rows } = await db.pool.query("SELECT kind, facts FROM alert");
  expect(rows).toEqual([
    {
      kind: "unpriced_models",
      facts: {
        models: [
          { model: "gpt-10", requests: 1 },
          { model: "gpt-11", requests: 1 },
        ],
      },
    },
  ]);
});
