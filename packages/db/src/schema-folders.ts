import path from "node:path";

/** Where a program finds what it makes of its database: versioned migrations, and SQL objects as they are now. */
export type SchemaFolders = { migrations: string; sqlObjects: string[] };

/** Returns the folders below the root folder of a clone, or of the image. */
export function findSchemaFolders(rootFolder: string): SchemaFolders {
  return {
    migrations: path.join(rootFolder, "prisma/migrations"),
    sqlObjects: ["db", "ledger", "domain"].map((name) => path.join(rootFolder, "packages", name, "sql")),
  };
}
