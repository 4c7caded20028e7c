import { cp, mkdtemp, appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrate } from "./migrate.ts";
import { createTestDatabase, schemaFolders, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("a migrated database stays as it is, also when many processes start at once", async () => {
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(db.pool, schemaFolders)));
  expect(applied.flat()).toEqual([]);
});

test("five processes on an empty database apply each migration once", async () => {
  await db.pool.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(db.pool, schemaFolders)));
  expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  expect(applied.flat()).toContain("0001_people");
});

test("a migration that was changed after it was applied is refused in one sentence", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "migrations-"));
  await cp(schemaFolders.migrations, folder, { recursive: true });
  await appendFile(path.join(folder, "0001_people", "migration.sql"), "-- edited");
  await expect(migrate(db.pool, { ...schemaFolders, migrations: folder })).rejects.toThrow(
    /^The migration 0001_people was changed[^\n]*\.$/,
  );
});

test("a database of a newer version is refused in one sentence", async () => {
  await db.pool.query(
    "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', '9999_from_the_future')",
  );
  await expect(migrate(db.pool, schemaFolders)).rejects.toThrow(/9999_from_the_future[^\n]*newer\.$/);
});

test("the schema holds what the database is told to hold", async () => {
  await expect(db.prisma.user.count()).resolves.toBe(0);
  const owner = (email: string) =>
    db.prisma.user.create({ data: { id: crypto.randomUUID(), email, passwordHash: "x", role: "owner" } });
  await owner("a@example.com");
  await expect(owner("b@example.com")).rejects.toThrow();
});
