/**
 * Says that the password of an account was right a moment ago, and that its second factor is still to come. It is signed,
 * opens nothing by itself, and ends with the password that it stands for.
 */
import { createHash } from "node:crypto";
import { TimeSpan } from "oslo";
import { createJWT, validateJWT } from "oslo/jwt";
import type { Secrets } from "../security/secrets.ts";

const algorithm = "HS256";
const issuer = "codex-gateway/second-factor";
const lifetime = new TimeSpan(10, "m");

/** Names a password's hash without telling it. */
export const passwordMark = (passwordHash: string): string =>
  createHash("sha256").update(`password:${passwordHash}`).digest("hex").slice(0, 32);

export const issueChallenge = (
  { tokenKey }: Pick<Secrets, "tokenKey">,
  { userId, passwordHash }: { userId: string; passwordHash: string },
): Promise<string> =>
  createJWT(
    algorithm,
    tokenKey,
    { mark: passwordMark(passwordHash) },
    { issuer, subject: userId, expiresIn: lifetime },
  );

/** Null where it is none of ours, or too old. */
export async function readChallenge(
  { tokenKey }: Pick<Secrets, "tokenKey">,
  challenge: string,
): Promise<{ userId: string; mark: string } | null> {
  // What is no token, is signed by another key, or has expired is thrown.
  const jwt = await validateJWT(algorithm, tokenKey, challenge).catch(() => null);
  const mark = (jwt?.payload as { mark?: unknown } | undefined)?.mark;
  if (!jwt?.subject || jwt.issuer !== issuer || jwt.expiresAt === null || typeof mark !== "string") return null;
  return { userId: jwt.subject, mark };
}
