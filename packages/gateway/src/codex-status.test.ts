import { expect, test } from "vitest";
import { statusHeaders, withStatus } from "./codex-status.ts";
import type { Caller, CallerStatus } from "./ports.ts";

const caller: Caller = { apiKeyId: "key", userId: "user", accountId: "a", safetyIdentifier: "h", allowedModels: [] };
const status: CallerStatus = { leftUsd: "4.37", hasLeft: true, windows: [] };
const answered = () => ({
  status: 200,
  headers: { "x-request-id": "1" } as Record<string, string>,
  body: new Uint8Array(0),
});

test("credits are what is left, and never unlimited", () => {
  expect(statusHeaders(status)).toEqual({
    "x-codex-credits-has-credits": "true",
    "x-codex-credits-unlimited": "false",
    "x-codex-credits-balance": "4.37",
  });
});

test("the first window is primary, the second secondary, with their ends in seconds", () => {
  const windows = [
    { usedPercent: 12.5, minutes: 1_440, resetsAtMs: 1_800_000_000_999 },
    { usedPercent: 100, minutes: 43_200, resetsAtMs: 1_900_000_000_000 },
  ];
  expect(statusHeaders({ ...status, windows })).toMatchObject({
    "x-codex-primary-used-percent": "12.5",
    "x-codex-primary-window-minutes": "1440",
    "x-codex-primary-reset-at": "1800000000",
    "x-codex-secondary-used-percent": "100",
    "x-codex-secondary-window-minutes": "43200",
    "x-codex-secondary-reset-at": "1900000000",
  });
});

test("it is asked for before the answer is, and an answer is one without it", async () => {
  const order: string[] = [];
  const told = await withStatus(
    { readStatus: () => Promise.resolve(void order.push("status")).then(() => status) },
    caller,
    () => Promise.resolve(void order.push("answer")).then(answered),
  );
  expect([order, told.headers["x-codex-credits-balance"]]).toEqual([["status", "answer"], "4.37"]);
  for (const readStatus of [() => Promise.reject(new Error("down")), () => Promise.resolve(null)]) {
    expect((await withStatus({ readStatus }, caller, () => Promise.resolve(answered()))).headers).toEqual({
      "x-request-id": "1",
    });
  }
});
