import { expect, test } from "vitest";
import { readRetryAfterMs } from "./retry-hint.ts";

const nowMs = Date.UTC(2026, 10, 28, 12);

test.each<[Record<string, string>, number | undefined]>([
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": " 1.5 " }, 1_500],
  [{ "retry-after-ms": "250" }, 250],
  [{ "retry-after-ms": "250.4", "retry-after": "9" }, 251],
  [{ "retry-after-ms": "soon", "retry-after": "9" }, 9_000],
  [{ "retry-after": "Sat, 28 Nov 2026 12:00:30 GMT" }, 30_000],
  [{ "retry-after": "Sat, 28 Nov 2026 11:00:00 GMT" }, undefined],
  [{ "retry-after": "0" }, undefined],
  [{ "retry-after": "-5" }, undefined],
  [{ "retry-after": "1e400" }, undefined],
  [{ "retry-after": "Infinity" }, undefined],
  [{ "retry-after": "0x10" }, undefined],
  [{ "retry-after": "999999999" }, 86_400_000],
  [{ "retry-after": "" }, undefined],
  [{ "retry-after": "Someday" }, undefined],
  [{}, undefined],
])("%o is %s ms", (headers, waitMs) => {
  expect(readRetryAfterMs(headers, nowMs)).toBe(waitMs);
});
