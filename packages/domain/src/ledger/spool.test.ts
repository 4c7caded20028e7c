import { existsSync, mkdtempSync, readFileSync, rmSync, appendFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { aCapture } from "../testing/money.ts";
import type { Capture, Ledger } from "./ledger.ts";
import { openSpool } from "./spool.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "spool-"));
  file = path.join(folder, "spool.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function aLedger() {
  const captured: Capture[] = [];
  const state = { isDown: false };
  const ledger: Ledger = {
    hold: () => Promise.reject(new Error("not asked")),
    capture: (capture) => {
      if (state.isDown) return Promise.reject(new Error("down"));
      captured.push(capture);
      return Promise.resolve({ didSettle: true, paidNanoUsd: capture.costNanoUsd });
    },
    release: () =>
      state.isDown ? Promise.reject(new Error("down")) : Promise.resolve({ didSettle: true, paidNanoUsd: 0n }),
    oldestOpenHold: () => null,
    idle: () => Promise.resolve(),
  };
  return { ledger, captured, state };
}

test("what the database cannot take is on disk before the answer goes on, and is replayed whole", async () => {
  const { ledger, captured, state } = aLedger();
  const spool = openSpool(file, ledger);
  state.isDown = true;
  const capture = aCapture("11111111-1111-4111-8111-111111111111", { costNanoUsd: 12_345_678_901_234_567n });
  await spool.settle({ capture });
  expect(readFileSync(file, "utf8")).toContain(capture.id);
  expect(await spool.replay()).toBe(1);
  state.isDown = false;
  expect(await spool.replay()).toBe(0);
  expect([captured, existsSync(file)]).toEqual([[capture], false]);
});

test("a process that died leaves its file to the next one; a line that was cut off is left out", async () => {
  const dead = aLedger();
  dead.state.isDown = true;
  await openSpool(file, dead.ledger).settle({ capture: aCapture("22222222-2222-4222-8222-222222222222") });
  appendFileSync(file, '{"capture":{"id":"333');
  const next = aLedger();
  const spool = openSpool(file, next.ledger);
  expect(spool.size()).toBe(1);
  expect(await spool.replay()).toBe(0);
  expect(next.captured.map(({ id }) => id)).toEqual(["22222222-2222-4222-8222-222222222222"]);
});
