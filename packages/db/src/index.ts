export { openDatabase, type Database } from "./database.ts";
export { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded-postgres.ts";
export { migrate } from "./migrate.ts";
export { StartError } from "./start-error.ts";
