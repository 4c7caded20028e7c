export { createTestDatabase, type TestDatabase } from "./test-database.ts";
export { schemaFolders } from "./global-setup.ts";
export { migrateTo } from "../migrate.ts";
export { hasServer, killServerOf, serverPidOf, serversOf, silentOn } from "./server-of-folder.ts";
