/** One PostgreSQL for the whole test run, with a migrated template that every test database is cloned from. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { openDatabase } from "../database.ts";
import { startEmbeddedPostgres } from "../embedded-postgres.ts";
import { migrate } from "../migrate.ts";
import { findSchemaFolders } from "../schema-folders.ts";

declare module "vitest" {
  interface ProvidedContext {
    templateUrl: string;
  }
}

export const schemaFolders = findSchemaFolders(fileURLToPath(new URL("../../../../", import.meta.url)));

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-test-"));
  const server = await startEmbeddedPostgres(folder, {
    serverOptions: ["-c", "fsync=off", "-c", "max_connections=300"],
  });
  const database = openDatabase(server.url, { maxConnections: 1 });
  await migrate(database.pool, schemaFolders);
  await database.close();
  project.provide("templateUrl", server.url);
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
