export { createAppRole } from "./app-role.ts";
export { readBackup, requireNobodyRuns, writeBackup, type BackupHead, type RowCounts } from "./backup.ts";
export { openDatabase, openCallPool, type Database, type DatabaseUse } from "./database.ts";
export { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded-postgres.ts";
export { keepEmbeddedPostgres, type PostgresEvent } from "./kept-postgres.ts";
export { migrate } from "./migrate.ts";
export { findSchemaFolders, type SchemaFolders } from "./schema-folders.ts";
export { StartError } from "./start-error.ts";
