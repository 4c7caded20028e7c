/** The one-time link to the wizard; its token also lies in a file that only the operator can read. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Database } from "@codex-gateway/db";
import { issueSetupToken } from "@codex-gateway/domain";
import { makeDataFolder } from "./data-folder.ts";

const fileOf = (dataFolder: string) => path.join(dataFolder, "setup-token");

/** A new link in place of an earlier one; null where there is an owner already. */
export async function issueSetupLink(
  database: Database,
  dataFolder: string,
  publicUrl: string,
): Promise<string | null> {
  const file = fileOf(dataFolder);
  const token = await issueSetupToken(database);
  if (token === null) {
    rmSync(file, { force: true });
    return null;
  }
  makeDataFolder(dataFolder);
  const link = `${publicUrl}/setup?token=${token}`;
  writeFileSync(file, `${token}\n${link}\n`, { mode: 0o600 });
  return link;
}

/** The link as the gateway printed it, on the port that it really has; null where none was issued. */
export function issuedSetupLink(dataFolder: string): string | null {
  const file = fileOf(dataFolder);
  return existsSync(file) ? (readFileSync(file, "utf8").split("\n")[1] ?? null) : null;
}
