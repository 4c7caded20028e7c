/** Reads how large a picture is from the first bytes of its file, as its provider does. Nothing is decoded but its head. */

export type PictureSize = { width: number; height: number };

/** Enough for all heads but a JPEG's, in which colour profiles and thumbnails may come first. */
const headChars = 256;
const longHeadChars = 128 * 1024;
const comma = 0x2c;
const quote = 0x22;

/**
 * The size of the picture in a data URL, or in bare base64, that is a JSON text from `start` to `end`, its quotes included.
 * Null: it is no picture that is known here, or none at all.
 */
export function readPictureSize(bytes: Buffer, start: number, end: number): PictureSize | null {
  const from = beginOfData(bytes, start, end);
  const head = decode(bytes, from, Math.min(end - 1, from + headChars));
  if (head.length < 30) return null;
  if (head.readUInt32BE(0) === 0x89504e47) return sane(head.readUInt32BE(16), head.readUInt32BE(20));
  if (head.readUInt32BE(0) === 0x47494638) return sane(head.readUInt16LE(6), head.readUInt16LE(8));
  if (head.readUInt32BE(0) === 0x52494646 && head.readUInt32BE(8) === 0x57454250) return sizeOfWebp(head);
  if (head.readUInt16BE(0) !== 0xffd8) return null;
  return sizeOfJpeg(head) ?? sizeOfJpeg(decode(bytes, from, Math.min(end - 1, from + longHeadChars)));
}

/** Behind the comma of a data URL; where there is none, the data begins at once. */
function beginOfData(bytes: Buffer, start: number, end: number): number {
  const limit = Math.min(end - 1, start + 200);
  for (let at = start + 1; at < limit; at++) if (bytes[at] === comma) return at + 1;
  return bytes[start] === quote ? start + 1 : start;
}

/** Some clients escape each slash, as JSON allows them to. */
function decode(bytes: Buffer, start: number, end: number): Buffer {
  const text = bytes.toString("latin1", start, end);
  const plain = text.includes("\\")
    ? text.replace(/\\u002([bf])/gi, (_, code: string) => (/b/i.test(code) ? "+" : "/"))
    : text;
  return Buffer.from(plain.replaceAll("\\", ""), "base64");
}

function sizeOfWebp(head: Buffer): PictureSize | null {
  const kind = head.toString("latin1", 12, 16);
  if (kind === "VP8 ") return sane(head.readUInt16LE(26) & 0x3fff, head.readUInt16LE(28) & 0x3fff);
  if (kind === "VP8X") return sane(head.readUIntLE(24, 3) + 1, head.readUIntLE(27, 3) + 1);
  if (kind !== "VP8L") return null;
  const bits = head.readUInt32LE(21);
  return sane((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
}

/** Walks from segment to segment until the frame says its size. */
function sizeOfJpeg(head: Buffer): PictureSize | null {
  let at = 2;
  while (at + 9 < head.length) {
    if (head[at] !== 0xff) return null;
    const marker = head[at + 1] as number;
    if (marker === 0xff) {
      at++;
      continue;
    }
    // Of the frames' markers, these three are tables.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return sane(head.readUInt16BE(at + 7), head.readUInt16BE(at + 5));
    }
    const hasLength = marker !== 0x01 && (marker < 0xd0 || marker > 0xd8);
    at += 2 + (hasLength ? head.readUInt16BE(at + 2) : 0);
  }
  return null;
}

const sane = (width: number, height: number): PictureSize | null =>
  width > 0 && height > 0 ? { width, height } : null;
