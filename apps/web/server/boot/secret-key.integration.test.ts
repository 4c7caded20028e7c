import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { writeSecretKeyId } from "@codex-gateway/domain";
import { afterEach, beforeEach, expect, test } from "vitest";
import { secretsOf } from "./secret-key.ts";

let db: TestDatabase;
let folder: string;
beforeEach(async () => {
  db = await createTestDatabase();
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-secret-"));
});
afterEach(async () => {
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

const keyA = "the first secret of thirty-two characters";
const keyB = "the second secret of thirty-two characters";
const open = (env: { SECRET_KEY?: string; SECRET_KEY_PREVIOUS?: string } = {}) =>
  secretsOf(db, { DATA_FOLDER: folder, ...env });

test("a new database takes the key that is given, or one that is made", async () => {
  expect((await open({ SECRET_KEY: keyA })).previous).toBeNull();
  await open();
  expect(existsSync(path.join(folder, "secret-key"))).toBe(true);
});

test("a database refuses another key, and without its own none is made", async () => {
  await writeSecretKeyId(db, (await open({ SECRET_KEY: keyA })).id);
  await expect(open({ SECRET_KEY: keyB })).rejects.toThrow(
    /needs the secret key \w{16}, and here is \w{16}: set SECRET_KEY/,
  );
  await expect(open()).rejects.toThrow(/needs the secret key \w{16}, and here is none/);
  expect(existsSync(path.join(folder, "secret-key"))).toBe(false);
  expect((await open({ SECRET_KEY: keyB, SECRET_KEY_PREVIOUS: keyA })).previous).not.toBeNull();
});
