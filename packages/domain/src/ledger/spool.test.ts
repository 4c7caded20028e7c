import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Database } from "@codex-gateway/db";
import { aCapture } from "../testing/money.ts";
import type { Capture, Ledger } from "./ledger.ts";
import { adoptSpools, openSpool } from "./spool.ts";

const mine = "99999999-9999-4999-8999-999999999999";
const dead = "88888888-8888-4888-8888-888888888888";
const living = "77777777-7777-4777-8777-777777777777";
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "spool-"));
  file = path.join(folder, `${mine}.jsonl`);
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
    load: () => ({ holdsOpen: 0, queued: 0 }),
    idle: () => Promise.resolve(),
  };
  return { ledger, captured, state };
}

test("what the database cannot take is on disk before the answer goes on, and is replayed whole", async () => {
  const { ledger, captured, state } = aLedger();
  const spool = openSpool(folder, mine, ledger);
  state.isDown = true;
  const capture = aCapture("11111111-1111-4111-8111-111111111111", { costNanoUsd: 12_345_678_901_234_567n });
  await spool.settle({ capture });
  expect(readFileSync(file, "utf8")).toContain(capture.id);
  expect(await spool.replay()).toBe(1);
  state.isDown = false;
  expect(await spool.replay()).toBe(0);
  expect([captured, existsSync(file)]).toEqual([[capture], false]);
});

test("what a dead process left is settled by another, a living one's is let be; a cut line is left out", async () => {
  const down = aLedger();
  down.state.isDown = true;
  const capture = aCapture("22222222-2222-4222-8222-222222222222");
  await openSpool(folder, dead, down.ledger).settle({ capture });
  appendFileSync(path.join(folder, `${dead}.jsonl`), '{"capture":{"id":"333');
  await openSpool(folder, living, down.ledger).settle({ release: "44444444-4444-4444-8444-444444444444" });
  const next = aLedger();
  const pool = { query: () => Promise.resolve({ rows: [{ id: living }] }) } as unknown as Database["pool"];
  expect(await adoptSpools({ pool }, folder, next.ledger)).toBe(1);
  expect([next.captured, readdirSync(folder)]).toEqual([[capture], [`${living}.jsonl`]]);
});

test("while the database is away, what a dead process left stays where it is", async () => {
  const down = aLedger();
  down.state.isDown = true;
  await openSpool(folder, dead, down.ledger).settle({ capture: aCapture("55555555-5555-4555-8555-555555555555") });
  const pool = { query: () => Promise.resolve({ rows: [] }) } as unknown as Database["pool"];
  await expect(adoptSpools({ pool }, folder, down.ledger)).rejects.toThrow("down");
  expect(readdirSync(folder)).toEqual([`${dead}.jsonl`]);
});
