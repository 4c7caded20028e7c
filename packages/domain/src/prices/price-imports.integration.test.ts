import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyProposals, changePrice, proposePrices, readPriceHistory } from "./price-admin.ts";
import { importPrices } from "./price-imports.ts";
import { seedPrices } from "./price-store.ts";

const actor = { userId: null, email: null, address: "" };
let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await seedPrices(db);
});
afterAll(() => db.drop());

const entry = (input: string, output: string) =>
  `{"litellm_provider":"openai","mode":"chat","input_cost_per_token":${input},"output_cost_per_token":${output}}`;
const listOf = (models: Record<string, string>) =>
  `{${Object.entries(models)
    .map(([model, text]) => `"${model}":${text}`)
    .join(",")}}`;
const importList = (text: string) => importPrices(db, { text, provider: "openai", source: "prices.json", actor });
const imported = async () => (await proposePrices(db)).filter(({ origin }) => origin === "imported");

test("a list is proposed where it differs, and what is chosen of it becomes a price, with the markup that was", async () => {
  const bands = [{ aboveInputTokens: -1, usdPerMillion: { input: "1", output: "2" } }];
  const limits = { markupPpm: 1_200_000, contextTokens: null, maxOutputTokens: null };
  await changePrice(db, { model: "own-model", bands, ...limits, actor });
  await changePrice(db, { model: "same-model", bands, ...limits, actor });
  const outcome = await importList(
    listOf({
      "own-model": entry("3e-06", "1.25e-05"),
      "same-model": entry("1e-06", "2e-06"),
      "new-model": entry("1e-07", "4e-07"),
      "odd-model": entry("1.23456789e-08", "1"),
    }),
  );
  expect(outcome).toMatchObject({ models: 3, skipped: [{ model: "odd-model" }] });
  expect((await imported()).map(({ model, before }) => [model, before !== null])).toEqual([
    ["new-model", false],
    ["own-model", true],
  ]);
  expect(await applyProposals(db, { models: [], imported: ["own-model"], actor })).toBe(1);
  const [newest] = await readPriceHistory(db, "own-model");
  expect(newest).toMatchObject({
    bands: [{ aboveInputTokens: -1, usdPerMillion: { input: "3", output: "12.5" } }],
    markupPpm: 1_200_000,
    source: "admin",
  });
  expect((await imported()).map(({ model }) => model)).toEqual(["new-model"]);
});

test("the next import takes the place of the one before", async () => {
  await importList(listOf({ "first-model": entry("1e-06", "2e-06") }));
  await importList(listOf({ "second-model": entry("1e-06", "2e-06") }));
  expect((await imported()).map(({ model }) => model)).toEqual(["second-model"]);
});

test("a model cannot have both prices that are proposed for it", async () => {
  await importList(listOf({ "gpt-4o-mini": entry("1e-06", "2e-06") }));
  await expect(applyProposals(db, { models: ["gpt-4o-mini"], imported: ["gpt-4o-mini"], actor })).rejects.toMatchObject(
    {
      code: "invalid_input",
    },
  );
});

test.each([
  ["no JSON", "<html>"],
  ["a list", "[]"],
  ["prices of others alone", `{"x":{"litellm_provider":"other","mode":"chat","input_cost_per_token":1}}`],
])("%s is refused, and what was imported before stays", async (_what, text) => {
  await importList(listOf({ "kept-model": entry("1e-06", "2e-06") }));
  await expect(importList(text)).rejects.toMatchObject({ code: "invalid_input" });
  expect((await imported()).map(({ model }) => model)).toEqual(["kept-model"]);
});
