import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BodyError } from "../transport/body-error.ts";
import { defineShape } from "./body-shape.ts";
import { foldName } from "./request-places.ts";
import { JsonScan } from "./json-scan.ts";
import { scanBody, valueOf, withMembers } from "./scan-body.ts";

const keys = ["model", "n", "stream"];
const shape = defineShape({ input: "items" });
const scan = (text: string) => scanBody(Buffer.from(text), shape);

test("billing's members are found, whatever stands around and inside the others", () => {
  const body = scan(
    ' {"messages":[{"model":"inner","x":"}\\""}],\n"model" : "m" ,"stream":true,"big":12345678901234567890}',
  );
  expect([valueOf(body, "model"), valueOf(body, "stream"), valueOf(body, "n")]).toEqual(["m", true, undefined]);
});

test("a member is put in, or a value exchanged, and every other byte stays", () => {
  const body = scan('{ "model":"m","big":12345678901234567890.10 }');
  expect(Buffer.from(withMembers(body, { n: 2 })).toString()).toBe(
    '{"n":2, "model":"m","big":12345678901234567890.10 }',
  );
  expect(Buffer.from(withMembers(body, { model: "k" })).toString()).toBe(
    '{ "model":"k","big":12345678901234567890.10 }',
  );
  expect(Buffer.from(withMembers(scan("{}"), { n: 2 })).toString()).toBe('{"n":2}');
});

describe("what two readers could read differently is refused", () => {
  test.each([
    ['{"model":"a","model":"b"}', "stands twice"],
    ['{"mod\\u0065l":"a"}', "without escapes"],
    ['{"model":"a","mod\\u0065l":"b"}', "without escapes"],
    ['{"model":"a","Model":"b"}', "in lower case"],
    ['{"model":"a","\u212Adummy":1,"MODEL":"b"}', "in lower case"],
    ['{"input":[],"input":"b"}', "stands twice"],
    ['{"stream_options":{"include_usage":true,"include_usage":false}}', "stands twice"],
  ])("%s", (text, says) => {
    expect(() => scan(text)).toThrow(says);
  });
});

test("keys that mean nothing to billing may repeat, and `__proto__` is a key as any other", () => {
  expect(valueOf(scan('{"x":1,"x":2,"__proto__":{"n":3},"model":"m"}'), "n")).toBeUndefined();
});

test("64 levels are read, 65 are refused, and a million brackets do not overflow the stack", () => {
  const nested = (depth: number) => `{"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  expect(() => scan(nested(64))).not.toThrow();
  expect(() => scan(nested(65))).toThrow("deeper than 64");
  expect(() => scan(nested(1_000_000))).toThrow("deeper than 64");
});

test("a body that is not UTF-8 is refused, wherever the wrong byte stands", () => {
  expect(() => scanBody(Buffer.from('{"x":"\xff"}', "latin1"), shape)).toThrow("not valid UTF-8");
});

/** One in capitals would be refused. */
const names = fc.string().filter((name) => name === foldName(name) || !shape.has(foldName(name)));
const objects = fc.dictionary(fc.oneof(names, fc.constantFrom(...keys)), fc.jsonValue());

test("on every JSON object it reads what JSON.parse reads", () => {
  fc.assert(
    fc.property(objects, fc.constantFrom(undefined, 1, "\t"), (object, indent) => {
      const body = scan(JSON.stringify(object, null, indent));
      const plain = JSON.parse(JSON.stringify(object)) as Record<string, unknown>;
      for (const key of keys) expect(valueOf(body, key)).toEqual(Object.hasOwn(plain, key) ? plain[key] : undefined);
    }),
    { numRuns: 3_000 },
  );
});

test("what it takes, JSON.parse takes, and the other way round: on a body with one byte changed or cut", () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(objects, fc.nat(), fc.integer({ min: 0x20, max: 0x7e }), fc.boolean(), (object, at, byte, isCut) => {
      const text = JSON.stringify(object);
      const where = at % text.length;
      const broken = isCut
        ? text.slice(0, where)
        : text.slice(0, where) + String.fromCharCode(byte) + text.slice(where + 1);
      let isTaken = true;
      try {
        scan(broken);
      } catch (error) {
        expect(error).toBeInstanceOf(BodyError);
        // A key may have become one that is said twice, or is written in capitals.
        isTaken = !/JSON/.test((error as BodyError).message);
      }
      expect(isTaken).toBe(isJson(broken) && broken.startsWith("{"));
    }),
    { numRuns: 3_000 },
  );
});

test("a body that is read in slices reads as in one, wherever it is cut", () => {
  fc.assert(
    fc.property(objects, fc.integer({ min: 1, max: 9 }), (object, bytes) => {
      const text = Buffer.from(JSON.stringify(object, null, 1));
      const tokens = (slice: number) => {
        const seen: string[] = [];
        const note =
          (what: string) =>
          (_: Buffer, start: number, ...rest: number[]) =>
            seen.push([what, start, ...rest].join(" "));
        const visitor = { key: note("key"), open: note("open"), value: note("value") };
        const json = new JsonScan(text, visitor, { maxDepth: 64, maxValues: 1_000 });
        while (!json.run(slice));
        return seen;
      };
      expect(tokens(bytes)).toEqual(tokens(Infinity));
    }),
  );
});

test("a million members and elements are read, one more is refused", () => {
  const many = (count: number) => `{"x":[${"1,".repeat(count - 2)}1]}`;
  expect(() => scan(many(1_000_000))).not.toThrow();
  expect(() => scan(many(1_000_001))).toThrow("more than 1000000 members and elements");
});
