/** Every time zone that comes through is one that the database knows, by the same clock. */
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { timeZoneOf } from "./checks.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("what JavaScript and PostgreSQL name is taken as a name that both know", async () => {
  const { rows } = await db.pool.query<{ name: string }>("SELECT name FROM pg_timezone_names");
  const names = [...Intl.supportedValuesOf("timeZone"), ...rows.map(({ name }) => name)];
  const taken = [...new Set(names.map(timeZoneOf).filter((name) => name !== null))];
  expect(taken.length).toBeGreaterThan(400);
  for (const name of taken) {
    const known = await db.pool.query("SELECT date_trunc('day', now(), $1)", [name]);
    expect(known.rowCount, name).toBe(1);
  }
});

test("whoever's browser names a place has it", () => {
  expect(Intl.supportedValuesOf("timeZone").filter((name) => timeZoneOf(name) === null)).toEqual([]);
});
