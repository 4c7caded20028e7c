import { describe, expect, test } from "vitest";
import { aCapture } from "../testing/money.ts";
import { idOf, lineOf, readLines } from "./settlement-lines.ts";

const ids = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"] as const;
const orders = ids.map((id) => ({ capture: aCapture(id, { costNanoUsd: 2n ** 63n - 1n }) }));
const text = (lines: string[]) => `\n${lines.join("\n")}\n`;
const whole = text(orders.map(lineOf));
const read = (bytes: string | Buffer) =>
  readLines(Buffer.from(bytes as string)).map((line) => (line.order ? idOf(line.order) : line.reason));

test("what is written is read back as it was", () => {
  const hold = {
    id: ids[0],
    accountId: ids[1],
    apiKeyId: ids[1],
    priceVersionId: ids[1],
    endpoint: "responses",
    model: 'a "name"\n\u2028',
    inputTokensBound: 5,
    tokensBound: 0,
    amountNanoUsd: 7n,
    minAmountNanoUsd: null,
  };
  const all = [
    ...orders,
    { release: ids[0] },
    { drawn: { hold, reserveId: ids[1], instance: { id: ids[0], epoch: 3n } } },
  ];
  expect(readLines(Buffer.from(text(all.map(lineOf)))).map(({ order }) => order)).toEqual(all);
});

describe("what a power failure leaves behind the last line costs no line", () => {
  test.each<[string, string]>([
    ["NULs", `${whole}${"\0".repeat(4096)}`],
    ["NULs on the last line, as older versions end it", `${whole.trimEnd()}${"\0".repeat(4096)}`],
    ["NULs before a line", `${whole.trimEnd().replace("\n", "\n\0\0\0")}\n`],
    ["torn bytes", `${whole}{"capture":{"id":"3333`],
    ["torn bytes on the last line", `${whole.trimEnd()}\0\0{"capt`],
    ["bytes of another file", `${whole}\u0001\u0002\u0003`],
    ["nothing", whole],
  ])("%s", (_what, content) => {
    expect(read(content)).toEqual([...ids]);
  });

  test("wherever the file is cut, the lines before are whole", () => {
    const bytes = Buffer.from(whole);
    const firstEnds = bytes.indexOf("\n", 1);
    for (let length = 0; length <= bytes.length; length++) {
      const expected = length < firstEnds ? [] : length < bytes.length - 1 ? [ids[0]] : [...ids];
      expect(read(bytes.subarray(0, length))).toEqual(expected);
      expect(read(Buffer.concat([bytes.subarray(0, length), Buffer.alloc(100)]))).toEqual(expected);
    }
  });
});

const damaged = (change: (line: string) => string) => text([lineOf(orders[0]!), change(lineOf(orders[1]!))]);
const changed = (field: string, value: string) =>
  damaged((line) =>
    line.replace(new RegExp(`"${field}":("[^"]*"|\\{[^}]*\\}|\\[[^\\]]*\\]|[^,}]*)`), `"${field}":${value}`),
  );

describe("a line that is damaged is told of, and the others are read", () => {
  test.each<[string, string]>([
    ["a wrong character in the id", changed("id", '"2222222x-2222-4222-8222-222222222222"')],
    ["an id that is too long", changed("id", `"${ids[1]}0"`)],
    ["an id that is no text", changed("id", "7")],
    ["a cost that is no number", changed("costNanoUsd", '"12x"')],
    ["a cost below zero", changed("costNanoUsd", '"-1"')],
    ["a cost beyond 64 bits", changed("costNanoUsd", '"9223372036854775808"')],
    ["a cost as a float", changed("costNanoUsd", "1.5")],
    ["usage that is a list", changed("usage", "[1]")],
    ["units below zero", changed("usage", '{"input":-1}')],
    ["units with a fraction", changed("usage", '{"input":1.5}')],
    ["a class with a quote", changed("usage", '{"in\\"put":1}')],
    ["a basis that is none", changed("basis", '"guess"')],
    ["flags that are none", changed("flags", '"flag"')],
    ["a model that is a number", changed("servedModel", "5")],
    ["an upstream that is none", changed("upstreamId", '"x"')],
    ["a status that is text", changed("status", '"200"')],
    ["no capture", damaged(() => '{"capture":null}')],
    ["another object", damaged(() => '{"hello":"world"}')],
    ["a list", damaged(() => "[]")],
    ["a number", damaged(() => "5")],
    ["a release without an id", damaged(() => '{"release":"no"}')],
    ["no JSON", damaged((line) => line.slice(0, 40))],
    ["a byte that was flipped", damaged((line) => line.replace('{"capture"', '{"capturf"'))],
  ])("%s", (_what, content) => {
    const [first, second, ...more] = readLines(Buffer.from(content));
    expect([first?.order && idOf(first.order), second?.order, more]).toEqual([ids[0], null, []]);
  });

  test("its hold is named where the line still says it", () => {
    const [, line] = readLines(Buffer.from(changed("costNanoUsd", '"12x"')));
    expect(line).toMatchObject({ order: null, holdId: ids[1], reason: "Its costNanoUsd is not what it should be." });
  });
});

test.each([
  ["latencyMs", "null"],
  ["latencyMs", String(10 ** 15)],
  ["timeToFirstByteMs", "-1"],
])("a figure that only informs is no damage: %s %s", (field, value) => {
  expect(read(changed(field, value))).toEqual([...ids]);
});
