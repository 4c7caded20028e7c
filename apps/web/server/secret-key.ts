/** The one secret of an installation: given by SECRET_KEY, or made once and kept where only its owner can read it. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

export function secretKeyFrom(given: string | undefined, dataFolder: string): string {
  if (given) return given;
  const file = path.join(dataFolder, "secret-key");
  if (!existsSync(file)) {
    mkdirSync(dataFolder, { recursive: true });
    writeFileSync(file, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  }
  return readFileSync(file, "utf8").trim();
}
