/** What links hold that let somebody in: shown once, with only its hash kept, so that a read of the database opens nothing. */
import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";

const tokenBytes = 32;

export type LinkToken = { token: string; hash: Buffer };

export function createLinkToken(): LinkToken {
  const token = randomBytes(tokenBytes).toString("base64url");
  return { token, hash: hashLinkToken(token) };
}

export const hashLinkToken = (token: string): Buffer => createHash("sha256").update(`link:${token}`).digest();

/** Anything may stand in an address; what is no token is looked up as nobody's. */
export const linkTokenSchema = z.string().max(200);
