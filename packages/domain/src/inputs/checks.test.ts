import fc from "fast-check";
import { expect, test } from "vitest";
import { isDay, isPlainLine, isPlainText, isStorable, pathWithinSite, timeZoneOf } from "./checks.ts";

test.each(["2000-01-01", "2024-02-29", "2026-12-31", "2099-12-31"])("%s is a day", (text) => {
  expect(isDay(text)).toBe(true);
});

test.each([
  ...["0000-01-01", "0001-01-01", "1999-12-31", "2100-01-01", "9999-12-31", "+002026-01-01"],
  ...["2026-02-29", "2026-02-31", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00"],
  ...["2026-1-1", "2026-01-01T00:00", " 2026-01-01", "2026-01-01\n", "２０２６-01-01", "today", ""],
])("%j is no day", (text) => {
  expect(isDay(text)).toBe(false);
});

test.each([
  ["Europe/Berlin", "Europe/Berlin"],
  ["Asia/Kolkata", "Asia/Kolkata"],
  ["America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"],
  ["America/Port-au-Prince", "America/Port-au-Prince"],
  ["UTC", "UTC"],
  ["Etc/GMT+5", "Etc/GMT+5"],
  ["Etc/UTC", "UTC"],
  ["US/Pacific", "America/Los_Angeles"],
  ["US/Pacific-New", "America/Los_Angeles"],
  ["asia/tokyo", "Asia/Tokyo"],
])("%s is the time zone %s", (name, known) => {
  expect(timeZoneOf(name)).toBe(known);
});

test.each([
  ...["", "Etc/Unknown", "posixrules", "localtime", "Factory", "SystemV/PST8PDT", "posix/UTC", "+05:30", "-08", "Z"],
  ...["Europe/Nowhere", "Europe/Berlin\0", "../../etc/passwd", "Europe/Berlin'--", "x".repeat(100_000)],
])("%j is no time zone", (name) => {
  expect(timeZoneOf(name)).toBeNull();
});

test.each([
  ["plain words, 中文, émojis 👩‍👩‍👧 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿", true, true, true],
  ["two\nlines\tand a tab", true, true, false],
  ["turned \u202e around", true, true, false],
  ["an isolate \u2066", true, true, false],
  ["without width \u200b", true, true, false],
  ["a mark \ufeff", true, true, false],
  ["a line \u2028 break", true, true, false],
  ["a bell \u0007", true, false, false],
  ["colours \u001b[31m", true, false, false],
  ["C1 \u0085", true, false, false],
  ["nothing \0", false, false, false],
  ["half a character \ud83d", false, false, false],
  ["the other half \udc69", false, false, false],
])("%j", (text, storable, plain, line) => {
  expect([isStorable(text), isPlainText(text), isPlainLine(text)]).toEqual([storable, plain, line]);
});

const origin = "https://gateway.example.com";

test.each([
  "/evil.example",
  "/dashboard",
  "/usage?from=2026-01-01&model=a%2Fb#row",
  "/%5cevil.example",
  "/%2f/evil.example",
  "/a//b",
  "/@evil.example",
  "/",
])("%j stays as it is", (text) => {
  expect(pathWithinSite(text)).toBe(text);
});

test.each([
  ...[
    "//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
  ],
  ...["/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t\\evil.example", "///evil.example", "//", "/\\"],
  ...["/.//evil.example", "/..//evil.example", "/x/..//evil.example", "/%2e//evil.example", "/./\\evil.example"],
  ...[
    "https://evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "",
    "?x",
    "#x",
    "//[",
    "//%00",
  ],
  `/${"x".repeat(2_000)}`,
])("%j leads nowhere of ours", (text) => {
  expect(pathWithinSite(text)).toBeNull();
});

test("line breaks and NUL never reach a header", () => {
  expect(pathWithinSite("/a\0b\nc\r\nset-cookie: x=1")).toBe("/a%00bcset-cookie:%20x=1");
});

const pieces = fc.constantFrom(
  "/",
  "\\",
  ".",
  "..",
  "\t",
  "\n",
  "\r",
  "\0",
  "%09",
  "%5c",
  "%2e",
  "@",
  ":",
  "//evil",
  "?",
  "#",
  " ",
);

test("whatever comes in, what comes out is of this site, and a header's value", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.oneof(pieces, fc.string())).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(texts, fc.boolean(), (text, isPath) => {
      const path = pathWithinSite(isPath ? `/${text}` : text);
      if (path === null) return;
      expect(new URL(path, origin).origin).toBe(origin);
      expect(new Headers({ location: path }).get("location")).toBe(path);
      expect(pathWithinSite(path)).toBe(path);
    }),
    { numRuns: 5_000 },
  );
});
