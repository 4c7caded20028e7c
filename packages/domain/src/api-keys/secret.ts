/**
 * The secret of an API key: `sk-cg-`, 256 random bits in base62, and six characters of checksum, so that a mistyped or
 * cut key is told apart without asking the database. Only its HMAC is stored.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const marker = "sk-cg-";
const randomLength = 43; // 62^43 > 2^256
const checksumLength = 6;
const wellFormed = new RegExp(`^${marker}[0-9A-Za-z]{${randomLength + checksumLength}}$`);

/** A new secret. It is shown to its owner once and never stored. */
export function createSecret(): string {
  const body = toBase62(BigInt(`0x${randomBytes(32).toString("hex")}`), randomLength);
  return marker + body + checksumOf(body);
}

/** false for what no `createSecret` can have made; true says nothing of whether the key exists. */
export function isSecret(text: string): boolean {
  if (!wellFormed.test(text)) return false;
  const body = text.slice(marker.length, -checksumLength);
  return checksumOf(body) === text.slice(-checksumLength);
}

/** What is stored of a secret, and what it is looked up by: 32 bytes. */
export const hashSecret = (secret: string, pepper: Uint8Array): Buffer =>
  createHmac("sha256", pepper).update(secret).digest();

/** What lists show of a secret: its beginning and its last four characters. */
export const displayOf = (secret: string): { prefix: string; lastFour: string } => ({
  prefix: secret.slice(0, marker.length + 4),
  lastFour: secret.slice(-4),
});

function checksumOf(body: string): string {
  const digest = createHash("sha256").update(body).digest();
  return toBase62(BigInt(digest.readUIntBE(0, 4)), checksumLength);
}

function toBase62(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest /= 62n) text = `${alphabet[Number(rest % 62n)]}${text}`;
  return text;
}
