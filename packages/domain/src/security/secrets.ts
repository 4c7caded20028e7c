/** Keys for each purpose, derived from the one secret that the owner keeps (HKDF-SHA-256, RFC 5869). */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

export type Secrets = {
  /** Pepper of API keys' hashes. */
  keyPepper: Buffer;
  /** Encrypts upstream keys at rest. */
  encryptionKey: Buffer;
  /** The hash that names a user to the provider. */
  identifierKey: Buffer;
  /** Signs access tokens. */
  tokenKey: Buffer;
  /** Signs what is kept of the books outside the database. */
  headKey: Buffer;
  /** Names the secret key without telling it, so that a backup can say which one it needs. */
  id: string;
  /** Of the secret key before this one, while that is being replaced. */
  previous: Secrets | null;
};

const derive = (secretKey: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync("sha256", secretKey, "codex-gateway", purpose, 32));

type Others = {
  /** Of the secret key before this one. */
  previousSecretKey?: string | null;
  /** Where access tokens have a secret of their own, so that it can be replaced alone. */
  tokenSecret?: string | null;
};

export const deriveSecrets = (secretKey: string, { previousSecretKey, tokenSecret }: Others = {}): Secrets => ({
  keyPepper: derive(secretKey, "api-key-pepper"),
  encryptionKey: derive(secretKey, "upstream-key-encryption-1"),
  identifierKey: derive(secretKey, "safety-identifier"),
  tokenKey: derive(tokenSecret ?? secretKey, "access-token"),
  headKey: derive(secretKey, "books-head"),
  id: derive(secretKey, "key-id").toString("hex").slice(0, 16),
  previous: previousSecretKey ? deriveSecrets(previousSecretKey) : null,
});

/** Under which a secret may have been hashed, the one in use first. */
export const peppersOf = ({ keyPepper, previous }: Secrets): Buffer[] => [
  keyPepper,
  ...(previous ? [previous.keyPepper] : []),
];

const ivBytes = 12;
const tagBytes = 16;

/** AES-256-GCM: iv, tag, ciphertext. `rowId` is authenticated too, so that a ciphertext cannot be moved to another row. */
export function encrypt(text: string, key: Uint8Array, rowId: string): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(rowId));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** @throws Error with one sentence where the key, the row or the ciphertext is another one */
export function decrypt(sealed: Uint8Array, key: Uint8Array, rowId: string): string {
  try {
    return open(sealed, key, rowId);
  } catch {
    throw new Error(
      "What lies encrypted here needs another secret key: set SECRET_KEY, or data/secret-key, to the one it was made under.",
    );
  }
}

function open(sealed: Uint8Array, key: Uint8Array, rowId: string): string {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, ivBytes))
    .setAAD(Buffer.from(rowId))
    .setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(ivBytes + tagBytes)), decipher.final()]).toString("utf8");
}

export const safetyIdentifierOf = (userId: string, { identifierKey }: Secrets): string =>
  createHmac("sha256", identifierKey).update(userId).digest("hex").slice(0, 32);
