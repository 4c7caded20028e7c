import fc from "fast-check";
import { expect, test } from "vitest";
import { createSseSplitter } from "./sse.ts";

const split = (chunks: Uint8Array[]) => {
  const splitter = createSseSplitter();
  const events = chunks.flatMap((chunk) => splitter.push(chunk));
  return { events, rest: splitter.rest() };
};
const seen = (text: string) => split([Buffer.from(text)]).events.map(({ name, data }) => ({ name, data }));

test("an event ends with an empty line, however lines end", () => {
  for (const end of ["\n", "\r\n"]) {
    expect(seen(`event: a${end}data: 1${end}${end}data:2${end}${end}`)).toEqual([
      { name: "a", data: "1" },
      { name: "", data: "2" },
    ]);
  }
  expect(seen("data: 1\r\rdata: 2\r\r ")).toEqual([
    { name: "", data: "1" },
    { name: "", data: "2" },
  ]);
});

test("several data lines are one text; a comment has none; a byte order mark is no part of the first field", () => {
  expect(seen("\uFEFFdata: a\ndata: b\n\n: keep-alive\n\n")).toEqual([
    { name: "", data: "a\nb" },
    { name: "", data: null },
  ]);
});

test("what is not complete stays in the rest", () => {
  const { events, rest } = split([Buffer.from("data: 1\n\ndata: 2\n")]);
  expect(events).toHaveLength(1);
  expect(Buffer.from(rest).toString()).toBe("data: 2\n");
});

test("an event above the bound is handed on in pieces, and the next one whole", () => {
  const splitter = createSseSplitter(100);
  const big = `event: big\ndata: ${"a".repeat(150)}\r\n\r\n`;
  const bytes = Buffer.from(`${big}data: 2\n\n`);
  const events = [...bytes].flatMap((byte) => splitter.push(Buffer.of(byte)));
  expect(Buffer.concat(events.map(({ raw }) => raw)).equals(bytes)).toBe(true);
  expect(events[0]).toMatchObject({ name: "big", piece: { isFirst: true, isLast: false } });
  expect(events.at(-2)).toMatchObject({ piece: { isLast: true } });
  expect(events.at(-1)).toMatchObject({ data: "2", piece: null });
  expect(
    Buffer.concat(events.flatMap(({ piece }) => (piece ? [piece.data] : [])))
      .toString()
      .trim(),
  ).toBe("a".repeat(150));
});

const line = fc.oneof(
  fc.string({ unit: "grapheme" }).map((text) => `data: ${text.replace(/[\r\n]/g, "")}`),
  fc.constantFrom("event: delta", ": comment", "data", "id: 7", ""),
);
const streams = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")))
  .map((lines) => Buffer.from(lines.map((parts) => parts.join("")).join("")));

test("any split of the bytes gives the same bytes and the same events", () => {
  fc.assert(
    fc.property(streams, fc.array(fc.nat({ max: 7 })), (bytes, sizes) => {
      const chunks: Uint8Array[] = [];
      let from = 0;
      for (const size of sizes) chunks.push(bytes.subarray(from, (from += size)));
      chunks.push(bytes.subarray(from));
      const whole = split([bytes]);
      const cut = split(chunks);
      expect(Buffer.concat([...cut.events.map(({ raw }) => raw), cut.rest])).toEqual(bytes);
      expect(cut.events.map(({ name, data }) => [name, data])).toEqual(
        whole.events.map(({ name, data }) => [name, data]),
      );
    }),
    { numRuns: 2_000 },
  );
});
