/** Makes inputs of every procedure from its own schema: one that is right, and many in which one member is not. */
import { randomUUID } from "node:crypto";
import type { z } from "zod";

type Def = {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
  element?: z.ZodType;
};
const defOf = (schema: z.ZodType): Def => (schema as unknown as { _zod: { def: Def } })._zod.def;

/** Of which the first that a member takes is right for it. */
const usual: unknown[] = [
  null,
  "2026-01-15",
  "Europe/Berlin",
  "1.5",
  "20",
  7,
  true,
  "https://api.example.com/v1",
  "owner@example.com",
  "password-of-test",
  "0".repeat(64),
  [],
  {},
];

export const hostile: unknown[] = [
  ...["", " ", "\0", "a\0b", "\ud800", "a\udfff", "\u202eevil", "a\u200b", "a\r\nb", "\u001b[31m", "\uffff", "💥"],
  ...["0000-01-01", "0001-01-01", "1999-12-31", "2026-02-31", "2026-13-01", "9999-12-31", "10000-01-01", "2026-1-1"],
  ...["US/Pacific-New", "Etc/Unknown", "posixrules", "asia/kolkata", "EST5EDT", "localtime", "+25:00", "Asia/KOLKATA"],
  ...["999999999.999999999", "-999999999", "1e400", "0x7f", "NaN", "Infinity", "9".repeat(400), "٣", "1_000"],
  ...["not-a-uuid", "00000000-0000-0000-0000-000000000000", "g".repeat(36), "__proto__", "constructor", "%", "%00"],
  ...["x".repeat(1_000_000), "[::]", "http://[::", "https://\u0000", "sk-\u4e2d\u6587-key", "x@".repeat(200)],
  ...[0, -1, 1.5, 1e308, -1e308, NaN, Infinity, 2 ** 31, 2 ** 53, 2 ** 63, -0, 1n, true, false, null, undefined],
  ...[[], [[]], ["\0"], [null], Array(20_000).fill("\0"), {}, { a: { b: {} } }, { "\0": "\0" }, { __proto__: null }],
  ...[[{}], [{ aboveInputTokens: 2 ** 31, usdPerMillion: { "\0": "1" } }], { toString: 1 }, new Date(NaN), Symbol("x")],
];

/** `known` gives what the database has, by a member's name: behind an id that is not found nothing else is looked at. */
export function rightInput(schema: z.ZodType, known: Record<string, () => unknown>, name = ""): unknown {
  const { shape } = defOf(schema);
  if (shape) {
    return Object.fromEntries(Object.entries(shape).map(([each, member]) => [each, rightInput(member, known, each)]));
  }
  const found = [known[name]?.(), ...usual, randomUUID()].find(
    (value) => value !== undefined && schema.safeParse(value).success,
  );
  if (found !== undefined) return found;
  const { element, in: first } = defOf(schema);
  if (element) return [rightInput(element, known)];
  return first ? rightInput(first, known) : undefined;
}

/** The paths of all members, those of objects within it too. */
export function membersOf(schema: z.ZodType, path: string[] = []): string[][] {
  const { shape } = defOf(schema);
  if (!shape) return [path];
  return Object.entries(shape).flatMap(([name, member]) => membersOf(member, [...path, name]));
}

/** The input with another value at this place. */
export function withValue(input: unknown, [name, ...rest]: string[], value: unknown): unknown {
  if (name === undefined) return value;
  const members = input as Record<string, unknown>;
  return { ...members, [name]: withValue(members[name], rest, value) };
}
