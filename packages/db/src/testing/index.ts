export { createTestDatabase, type TestDatabase } from "./test-database.ts";
export { migrationsFolder } from "./global-setup.ts";
export { hasServer, killServerOf, serverPidOf, serversOf, silentOn } from "./server-of-folder.ts";
