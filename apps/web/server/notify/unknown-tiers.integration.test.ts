import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { textOf } from "./alert-text.ts";
import { createUnknownTiers } from "./unknown-tiers.ts";

let db: TestDatabase;
beforeEach(async () => void (db = await createTestDatabase()));
afterEach(() => db.drop());

test("tiers without a price are told once in a while, by all processes together, and none is forgotten", async () => {
  let atMs = 0;
  const one = createUnknownTiers(db, { nowMs: () => atMs });
  const other = createUnknownTiers(db, { nowMs: () => atMs });
  for (let n = 0; n < 3; n++) one.note("gpt-5.5", "hyper");
  one.note("gpt-4o", "hyper");
  await one.tell();
  other.note("gpt-5.5", "hyper");
  await other.tell();
  const alerts = () => db.prisma.alert.findMany({ orderBy: { createdAt: "asc" } });
  const tiers = [
    { model: "gpt-5.5", serviceTier: "hyper", requests: 3 },
    { model: "gpt-4o", serviceTier: "hyper", requests: 1 },
  ];
  expect(await alerts()).toMatchObject([{ kind: "unknown_service_tiers", facts: { tiers } }]);
  expect(textOf({ id: "", createdAt: new Date(), kind: "unknown_service_tiers", facts: { tiers } }).text).toContain(
    "gpt-5.5  hyper  3",
  );
  await db.pool.query("UPDATE alert SET created_at = now() - interval '1 day'");
  atMs += 60_000;
  await other.tell();
  expect((await alerts())[1]).toMatchObject({ facts: { tiers: [{ model: "gpt-5.5", requests: 1 }] } });
});
