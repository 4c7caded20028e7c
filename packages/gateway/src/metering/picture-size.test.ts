import { expect, test } from "vitest";
import { readPictureSize } from "./picture-size.ts";

const png = (width: number, height: number) => {
  const head = Buffer.alloc(64);
  head.write("89504e470d0a1a0a0000000d49484452", "hex");
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  return head;
};
const gif = Buffer.concat([Buffer.from("GIF89a"), Buffer.from([0x80, 0x02, 0xe0, 0x01]), Buffer.alloc(40)]);
const webp = (kind: string, rest: Buffer) =>
  Buffer.concat([Buffer.from("RIFF0000WEBP"), Buffer.from(kind), rest, Buffer.alloc(40)]);
/** `before`: the bytes of a profile or a thumbnail that come first. */
const jpeg = (width: number, height: number, before = 0) => {
  const segments = [Buffer.from("ffd8", "hex")];
  for (let left = before; left > 0; left -= 60_000) {
    const length = Math.min(left, 60_000);
    const segment = Buffer.alloc(length + 4);
    segment.writeUInt16BE(0xffe2, 0);
    segment.writeUInt16BE(length + 2, 2);
    segments.push(segment);
  }
  const frame = Buffer.alloc(40);
  frame.writeUInt16BE(0xffc2, 0);
  frame.writeUInt16BE(17, 2);
  frame.writeUInt16BE(height, 5);
  frame.writeUInt16BE(width, 7);
  return Buffer.concat([...segments, frame]);
};

function sizeOf(text: string) {
  const bytes = Buffer.from(text);
  return readPictureSize(bytes, 0, bytes.length);
}
const url = (file: Buffer, type = "image/png") => `"data:${type};base64,${file.toString("base64")}"`;

test.each([
  ["PNG", png(1_920, 1_080), { width: 1_920, height: 1_080 }],
  ["GIF", gif, { width: 640, height: 480 }],
  ["JPEG", jpeg(4_000, 3_000), { width: 4_000, height: 3_000 }],
  ["JPEG behind a thumbnail", jpeg(800, 600, 90_000), { width: 800, height: 600 }],
  ["WebP with loss", webp("VP8 ", Buffer.from("000000000000009d012a40012003", "hex")), { width: 320, height: 800 }],
  ["WebP without loss", webp("VP8L", Buffer.from("000000002f3fc11d0000", "hex")), { width: 320, height: 120 }],
  ["WebP with more", webp("VP8X", Buffer.from("0000000000000000ff0300370200", "hex")), { width: 1_024, height: 568 }],
])("%s says its size", (_kind, file, size) => {
  expect(sizeOf(url(file))).toEqual(size);
  expect(sizeOf(url(file).replaceAll("/", "\\/"))).toEqual(size);
  expect(sizeOf(`"${file.toString("base64")}"`)).toEqual(size);
});

test.each([
  ["nothing", '"data:,"'],
  ["a text", '"data:text/plain,hello"'],
  ["no base64", '"data:image/png;base64,$$$$"'],
  ["a head that is cut", url(png(1, 1).subarray(0, 20))],
  ["no width", url(png(0, 10))],
  ["a JPEG without a frame", url(jpeg(1, 1, 300_000))],
  ["a number", "12"],
])("%s has no size that is known", (_what, text) => {
  expect(sizeOf(text)).toBeNull();
});
