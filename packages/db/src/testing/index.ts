export { createTestDatabase, type TestDatabase } from "./test-database.ts";
export { migrationsFolder } from "./global-setup.ts";
