/** The one-time link to the wizard; its token also lies in a file that only the operator can read. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Database } from "@codex-gateway/db";
import { issueSetupToken } from "@codex-gateway/domain";

/** A new link in place of an earlier one; null where there is an owner already. */
export async function issueSetupLink(
  database: Database,
  dataFolder: string,
  publicUrl: string,
): Promise<string | null> {
  const file = path.join(dataFolder, "setup-token");
  const token = await issueSetupToken(database);
  if (token === null) {
    rmSync(file, { force: true });
    return null;
  }
  mkdirSync(dataFolder, { recursive: true });
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  return `${publicUrl}/setup?token=${token}`;
}
