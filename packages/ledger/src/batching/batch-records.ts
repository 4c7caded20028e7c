/**
 * A batch's orders in PostgreSQL's binary form of an array of records: what its `array_recv` and `record_recv` read. As text
 * each value would be written, quoted, found and parsed again, which cost the database more than what it did with it.
 */

/** Types that every PostgreSQL knows by the same number. */
const oids = { boolean: 16, int8: 20, int4: 23, text: 25, texts: 1009, uuid: 2950, jsonb: 3802 };
const nullLength = -1;
const jsonbVersion = 1;
/** The most that a column takes without its characters: 8 for its head and 16 for an id, or 20 for a list's head. */
const columnBytes = 28;
/** Of a record's own head. */
const recordBytes = 8;
const firstBytes = 16_384;
/** What has grown beyond is not kept: a text may be as long as an upstream's answer. */
const keptBytes = 1024 * 1024;
/** Longer text is written by the runtime: a call that costs as much as so many characters do here. */
const shortText = 100;

const hyphen = 45;
const uuidBytes = 16;
const noDigit = 0xff;
/** A hexadecimal digit's value by its character's code. */
const digits = new Uint8Array(128).fill(noDigit);
for (const digit of "0123456789abcdefABCDEF") digits[digit.charCodeAt(0)] = parseInt(digit, 16);

/**
 * Writes one array at a time, into the same bytes again. Each record is begun and ended, and between the two its columns are
 * written in the order of the record's type, each with its own method.
 */
export class RecordArray {
  readonly #columns: number;
  #bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes);
  #view = viewOf(this.#bytes);
  #at = 0;
  #recordAt = 0;

  /** How many columns each record has. */
  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Begins an array of `count` records, whose type the database knows as `typeOid`. */
  startArray(typeOid: number, count: number): void {
    if (this.#bytes.length > keptBytes) this.#use(Buffer.allocUnsafeSlow(firstBytes));
    this.#at = 0;
    this.#word(count === 0 ? 0 : 1); // dimensions
    this.#word(0); // no nulls
    this.#word(typeOid);
    if (count === 0) return;
    this.#word(count);
    this.#word(1); // the first one's subscript
  }

  start(): void {
    this.#makeRoom(0);
    this.#recordAt = this.#at;
    this.#word(0); // its length, when it is known
    this.#word(this.#columns);
  }

  end(): void {
    this.#endLength(this.#recordAt);
  }

  /** An empty one is none. @throws RangeError where it is no UUID as PostgreSQL writes them */
  uuid(value: string | null): void {
    const id = value === "" ? null : value;
    if (this.#wroteNull(oids.uuid, id)) return;
    this.#head(oids.uuid, uuidBytes);
    const start = this.#at;
    let at = start;
    let most = id.length === 36 ? 0 : noDigit;
    for (let from = 0; from < id.length; from += 2) {
      if (id.charCodeAt(from) === hyphen) from++;
      const high = digits[id.charCodeAt(from)] ?? noDigit;
      const low = digits[id.charCodeAt(from + 1)] ?? noDigit;
      most |= high | low;
      this.#bytes[at++] = (high << 4) | low;
    }
    if (most > 0xf || at !== start + uuidBytes) throw new RangeError(`"${id}" is no UUID.`);
    this.#at = at;
  }

  boolean(value: boolean | null): void {
    if (this.#wroteNull(oids.boolean, value)) return;
    this.#head(oids.boolean, 1);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  /** @throws RangeError where it is no whole number of 32 bits: written as one it would be another number */
  int4(value: number | null): void {
    if (this.#wroteNull(oids.int4, value)) return;
    if (value !== (value | 0)) throw new RangeError(`${value} is no number of 32 bits.`);
    this.#head(oids.int4, 4);
    this.#word(value);
  }

  /** @throws RangeError where it is no whole number of 64 bits, or a `number` that may have been rounded */
  int8(value: bigint | number | null): void {
    if (this.#wroteNull(oids.int8, value)) return;
    this.#head(oids.int8, 8);
    if (typeof value === "bigint") {
      this.#view.setBigInt64(this.#at, value);
      if (this.#view.getBigInt64(this.#at) !== value) throw new RangeError(`${value} is no number of 64 bits.`);
    } else {
      if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number.`);
      this.#view.setInt32(this.#at, Math.floor(value / 2 ** 32));
      this.#view.setUint32(this.#at + 4, value >>> 0);
    }
    this.#at += 8;
  }

  text(value: string | null): void {
    if (this.#wroteNull(oids.text, value)) return;
    this.#head(oids.text, 0);
    this.#text(value);
  }

  texts(values: readonly string[] | null): void {
    if (this.#wroteNull(oids.texts, values)) return;
    this.#head(oids.texts, 0);
    const lengthAt = this.#at - 4;
    this.#word(values.length === 0 ? 0 : 1);
    this.#word(0);
    this.#word(oids.text);
    if (values.length > 0) {
      this.#word(values.length);
      this.#word(1);
    }
    for (const value of values) {
      this.#word(0);
      this.#text(value);
    }
    this.#endLength(lengthAt);
  }

  json(text: string | null): void {
    if (this.#wroteNull(oids.jsonb, text)) return;
    this.#head(oids.jsonb, 0);
    const lengthAt = this.#at - 4;
    this.#bytes[this.#at++] = jsonbVersion;
    this.#characters(text);
    this.#endLength(lengthAt);
  }

  /** Valid until the next array is begun. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #head(typeOid: number, length: number): void {
    this.#word(typeOid);
    this.#word(length);
  }

  /** Writes null where the value is that, and says whether it was. */
  #wroteNull(typeOid: number, value: unknown): value is null {
    if (value !== null) return false;
    this.#head(typeOid, nullLength);
    return true;
  }

  #word(value: number): void {
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  /** Writes how much has followed the length that stands there. */
  #endLength(at: number): void {
    this.#view.setInt32(at, this.#at - at - 4);
  }

  /** Behind a length that is still to be known. */
  #text(value: string): void {
    const lengthAt = this.#at - 4;
    this.#characters(value);
    this.#endLength(lengthAt);
  }

  #characters(value: string): void {
    const isShort = value.length <= shortText;
    this.#makeRoom(isShort ? value.length * 3 : Buffer.byteLength(value));
    if (isShort && this.#ascii(value)) return;
    // PostgreSQL's text has no NUL; one in an upstream's answer must not stop a whole batch.
    this.#at += this.#bytes.write(value.includes("\0") ? value.replaceAll("\0", "") : value, this.#at);
  }

  /** False, and nothing written, where a character needs more than a byte or is NUL. */
  #ascii(value: string): boolean {
    let at = this.#at;
    for (let n = 0; n < value.length; n++) {
      const code = value.charCodeAt(n);
      if (code === 0 || code > 127) return false;
      this.#bytes[at++] = code;
    }
    this.#at = at;
    return true;
  }

  /** Room for so much and for all of a record that is fixed in length. */
  #makeRoom(length: number): void {
    const neededBytes = this.#at + length + recordBytes + this.#columns * columnBytes;
    if (neededBytes <= this.#bytes.length) return;
    const more = Buffer.allocUnsafeSlow(neededBytes * 2);
    this.#bytes.copy(more, 0, 0, this.#at);
    this.#use(more);
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
