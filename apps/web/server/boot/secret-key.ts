/** The one secret of an installation: given by SECRET_KEY, or made once and kept where only its owner can read it. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Database } from "@codex-gateway/db";
import { deriveSecrets, readSecretKeyId, type Secrets } from "@codex-gateway/domain";
import { ConfigurationError } from "./configuration-error.ts";
import { makeDataFolder } from "./data-folder.ts";
import type { Env } from "./env.ts";

type From = Pick<Env, "SECRET_KEY" | "SECRET_KEY_PREVIOUS" | "JWT_SECRET" | "DATA_FOLDER">;

const fileOf = (folder: string) => path.join(folder, "secret-key");
const previousFileOf = (folder: string) => path.join(folder, "secret-key.previous");
const contentOf = (file: string) => (existsSync(file) ? readFileSync(file, "utf8").trim() : null);

const newSecretKey = () => randomBytes(32).toString("base64url");

/** Makes a secret key where none is given and none was made yet. */
function secretsFrom(env: From): Secrets {
  const { DATA_FOLDER: folder } = env;
  if (!env.SECRET_KEY && !existsSync(fileOf(folder))) {
    makeDataFolder(folder);
    writeFileSync(fileOf(folder), newSecretKey(), { mode: 0o600, flag: "wx" });
  }
  return existingSecrets(env) as Secrets;
}

/** Null where none is given and none was made yet. */
export function existingSecrets(env: From): Secrets | null {
  const secretKey = env.SECRET_KEY ?? contentOf(fileOf(env.DATA_FOLDER));
  if (secretKey === null) return null;
  return deriveSecrets(secretKey, {
    previousSecretKey: env.SECRET_KEY_PREVIOUS ?? contentOf(previousFileOf(env.DATA_FOLDER)),
    tokenSecret: env.JWT_SECRET ?? null,
  });
}

/** The secrets that a database was made under. @throws Error with one sentence where the secret key here is another one */
export async function secretsOf(database: Pick<Database, "pool">, env: From): Promise<Secrets> {
  const needed = await readSecretKeyId(database);
  // A key that is made now could open nothing of what is there.
  const secrets = needed === null ? secretsFrom(env) : existingSecrets(env);
  if (secrets && (needed === null || [secrets.id, secrets.previous?.id].includes(needed))) return secrets;
  throw new ConfigurationError(
    `The database needs the secret key ${needed}, and ${secrets ? `here is ${secrets.id}` : "here is none"}: ` +
      "set SECRET_KEY, or data/secret-key, to the one it was made under.",
  );
}

/** Puts a new secret key in the place of the generated one, which stays beside it. @throws Error where there is none */
export function replaceSecretKeyFile(folder: string): void {
  if (!existsSync(fileOf(folder))) throw new Error(`There is no secret key in ${folder} to replace.`);
  if (existsSync(previousFileOf(folder))) {
    throw new Error("The secret key is being replaced already; forget-secret-key ends that.");
  }
  const next = path.join(folder, "secret-key.next");
  writeFileSync(next, newSecretKey(), { mode: 0o600 });
  renameSync(fileOf(folder), previousFileOf(folder));
  renameSync(next, fileOf(folder));
}

export const forgetPreviousSecretKeyFile = (folder: string): void => rmSync(previousFileOf(folder), { force: true });
