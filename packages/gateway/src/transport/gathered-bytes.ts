/** Puts pieces of a body together: few small ones as they are, large bodies in one piece of memory from early on. */

const joinAboveBytes = 64 * 1024;

/** A class, where the rest are functions: one is made for each call. */
export class GatheredBytes {
  length = 0;
  readonly #expectedBytes: number;
  #chunks: Uint8Array[] = [];
  #store: Buffer | null = null;

  /** `expectedBytes`: as declared, and within what may be taken; 0: not said. */
  constructor(expectedBytes: number) {
    this.#expectedBytes = expectedBytes;
  }

  push(chunk: Uint8Array): void {
    const length = this.length + chunk.length;
    if (length <= joinAboveBytes) this.#chunks.push(chunk);
    else {
      const store = this.#storeFor(length);
      store.set(chunk, this.length);
    }
    this.length = length;
  }

  /** All of them; what was gathered is let go of here. */
  take(): Uint8Array {
    const [first] = this.#chunks;
    const store = this.#store;
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#store = null;
    if (store) return store.subarray(0, this.length);
    return chunks.length === 1 && first ? first : Buffer.concat(chunks, this.length);
  }

  /** Memory that is not touched yet costs nothing, so a body that stays away takes none. */
  #storeFor(length: number): Buffer {
    if (this.#store && length <= this.#store.length) return this.#store;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#expectedBytes, 2 * length));
    let at = 0;
    for (const chunk of this.#store ? [this.#store.subarray(0, this.length)] : this.#chunks) {
      larger.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [];
    return (this.#store = larger);
  }
}
