/**
 * Keeps what belongs to the operator from what goes to clients: the upstream's key, organization and project wherever they
 * stand, and in errors also its host. The bytes of an answer are overwritten where they lie, as they come in: nothing is
 * copied, and no length changes.
 */
import type { Upstream } from "../ports.ts";

type Operator = Pick<Upstream, "baseUrl" | "apiKey" | "organization" | "project">;

/** Shorter ones are words, such as the key that local servers want: they stand in honest answers. */
const minSecretChars = 8;
const minHostChars = 4;
const star = 0x2a;

export type Redactor = {
  /** Of the bytes of an answer; null where the upstream has nothing to keep. */
  open: (() => ByteRedactor) | null;
  /** Of what an error says. */
  redactText(text: string): string;
};

/** Made once per upstream. */
export function createRedactor({ baseUrl, apiKey, organization, project }: Operator): Redactor {
  const secrets = [apiKey, organization, project].filter(
    (secret): secret is string => secret !== null && secret.length >= minSecretChars,
  );
  const { host, hostname } = new URL(baseUrl);
  const words = [...secrets, host, hostname].filter((word) => word.length >= minHostChars);
  const needles = secrets.map((secret) => Buffer.from(secret));
  return {
    open: needles.length === 0 ? null : () => new ByteRedactor(needles),
    redactText: (text) =>
      words.reduce((redacted, word) => redacted.replaceAll(word, "***"), text).replace(shapes, "***"),
  };
}

/** Keys, and the ids of organizations and projects, as OpenAI writes them. */
const shapes = /\b(?:sk|org|proj)[-_][A-Za-z0-9_*-]{6,}/g;

/** A decoder of bytes, and as such a class. Holds back the end of a chunk only while it may be the beginning of a secret. */
export class ByteRedactor {
  readonly #needles: readonly Buffer[];
  readonly #longestBytes: number;
  #held: Buffer | null = null;

  constructor(needles: readonly Buffer[]) {
    this.#needles = needles;
    this.#longestBytes = Math.max(...needles.map(({ length }) => length));
  }

  /** The bytes that may go on; they are the chunk's own. */
  push(chunk: Uint8Array): Uint8Array[] {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    // Rare enough, and short: what was held back is put in front.
    if (this.#held) bytes = Buffer.concat([this.#held, bytes]);
    this.#held = null;
    for (const needle of this.#needles) {
      for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + needle.length)) {
        bytes.fill(star, at, at + needle.length);
      }
    }
    const heldBytes = this.#openBytes(bytes);
    if (heldBytes === 0) return [bytes];
    this.#held = bytes.subarray(bytes.length - heldBytes);
    return heldBytes === bytes.length ? [] : [bytes.subarray(0, bytes.length - heldBytes)];
  }

  /** What was held back, once nothing comes any more. */
  rest(): Uint8Array | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  /** How many bytes at the end are the beginning of a secret. */
  #openBytes(bytes: Buffer): number {
    for (let at = Math.max(0, bytes.length - this.#longestBytes + 1); at < bytes.length; at++) {
      for (const needle of this.#needles) {
        if (bytes[at] === needle[0] && isBeginning(bytes, at, needle)) return bytes.length - at;
      }
    }
    return 0;
  }
}

function isBeginning(bytes: Buffer, from: number, needle: Buffer): boolean {
  const length = bytes.length - from;
  if (length >= needle.length) return false;
  for (let n = 0; n < length; n++) if (bytes[from + n] !== needle[n]) return false;
  return true;
}
