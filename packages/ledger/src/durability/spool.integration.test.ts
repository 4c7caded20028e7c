import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "@codex-gateway/db";
import { aCapture, aHold, openTestPrice } from "../testing/money.ts";
import type { Capture, DrawnHold, Ledger } from "../ledger.ts";
import { adoptSpools } from "./adopt-spools.ts";
import { openSpool } from "./spool.ts";

const mine = "99999999-9999-4999-8999-999999999999";
const dead = "88888888-8888-4888-8888-888888888888";
const living = "77777777-7777-4777-8777-777777777777";
const wallet = "33333333-3333-4333-8333-333333333333";
const reserve = "55555555-5555-4555-8555-555555555555";
/** Another database's. */
const unknown = "66666666-6666-4666-8666-666666666666";
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "spool-"));
  file = path.join(folder, `${mine}.jsonl`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `isStalled`: nothing is answered until `go` is called. */
function aLedger() {
  const captured: Capture[] = [];
  const placed: DrawnHold[] = [];
  const state = { isDown: false, isStalled: false, go: () => {}, mostAtOnce: 0, hurried: 0, hasReserve: false };
  let atOnce = 0;
  const ledger: Ledger = {
    openPrice: openTestPrice,
    hold: () => Promise.reject(new Error("not asked")),
    capture: async (capture) => {
      state.mostAtOnce = Math.max(state.mostAtOnce, ++atOnce);
      await (state.isStalled ? new Promise<void>((resolve) => (state.go = resolve)) : turn());
      atOnce--;
      if (state.isDown) throw new Error("down");
      captured.push(capture);
      return { didSettle: true, paidNanoUsd: capture.costNanoUsd };
    },
    release: () =>
      state.isDown ? Promise.reject(new Error("down")) : Promise.resolve({ didSettle: true, paidNanoUsd: 0n }),
    draw: (hold) => (state.hasReserve ? { hold, reserveId: reserve, instance: { id: mine, epoch: 1n } } : null),
    place: async (drawn) => {
      await turn();
      if (state.isDown) throw new Error("down");
      placed.push(drawn);
    },
    extend: () => Promise.resolve({ outcome: "settled" as const, amountNanoUsd: 0n }),
    placeAgain: (drawn) => ledger.place(drawn),
    untilPlaced: () => Promise.resolve(),
    endReserves: () => Promise.resolve(),
    hurry: () => {
      state.hurried++;
    },
    oldestOpenHold: () => null,
    load: () => ({ holdsOpen: 0, queued: 0, contended: 0 }),
    idle: () => Promise.resolve(),
  };
  return { ledger, captured, placed, state };
}

/** Knows all processes as dead but the living ones and the unknown, and all holds as open but the settled ones. */
function aDatabase({ settled = [] }: { settled?: string[] } = {}) {
  const not = (unwanted: string[], ids: string[]) => ids.filter((id) => !unwanted.includes(id));
  const letters: string[] = [];
  const query = (sql: string, values: [string[], ...unknown[]]) => {
    const [ids] = values;
    if (sql.startsWith("INSERT INTO dead_letter"))
      return Promise.resolve(void letters.push(String(values[3]))).then(() => ({ rows: [] }));
    const isOfInstances = sql.includes("FROM instance");
    const rows = isOfInstances
      ? not([living, unknown], ids)
      : sql.includes("'open'")
        ? not(settled, ids)
        : ids.filter((id) => id === reserve);
    return Promise.resolve({ rows: rows.map((id) => ({ id, account_id: wallet })) });
  };
  return { pool: { query } as unknown as Database["pool"], letters };
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

test("what a dead process left is settled by another, a living one's and a stranger's are let be", async () => {
  const down = aLedger();
  down.state.isDown = true;
  const capture = aCapture("22222222-2222-4222-8222-222222222222");
  await openSpool(folder, dead, down.ledger).settle({ capture });
  const released = { release: "44444444-4444-4444-8444-444444444444" };
  await openSpool(folder, living, down.ledger).settle(released);
  await openSpool(folder, unknown, down.ledger).settle(released);
  const next = aLedger();
  expect(await adoptSpools(aDatabase(), folder, next.ledger)).toMatchObject({ settled: 1, failed: [] });
  expect([next.captured, readdirSync(folder)]).toEqual([[capture], [`${unknown}.jsonl`, `${living}.jsonl`]]);
});

const first = aCapture("22222222-2222-4222-8222-222222222221");
const second = aCapture("22222222-2222-4222-8222-222222222222");

/** Of a process that reaches no database for the rest of its life. */
function aDyingSpool() {
  const down = aLedger();
  down.state.isDown = true;
  return openSpool(folder, dead, down.ledger);
}

test("of what a dead process left, what is settled is not sent again, and the file may stay", async () => {
  const spool = aDyingSpool();
  await spool.settle({ capture: first });
  await spool.settle({ capture: second });
  const next = aLedger();
  expect(
    await adoptSpools(aDatabase({ settled: [first.id] }), folder, next.ledger, { keepsFiles: true }),
  ).toMatchObject({ settled: 1, failed: [] });
  expect([next.captured, readdirSync(folder)]).toEqual([[second], [`${dead}.jsonl`]]);
});

test("a line that was cut off does not take the next one with it", async () => {
  const spool = aDyingSpool();
  await spool.settle({ capture: first });
  appendFileSync(path.join(folder, `${dead}.jsonl`), '\n{"capture":{"id":"333');
  await spool.settle({ capture: second });
  appendFileSync(path.join(folder, `${dead}.jsonl`), '\n{"capture":{"id":"444');
  const next = aLedger();
  expect(await adoptSpools(aDatabase(), folder, next.ledger)).toMatchObject({ settled: 2, failed: [] });
  expect(next.captured).toEqual([first, second]);
});

test("while the database is away, what a dead process left stays where it is", async () => {
  const down = aLedger();
  down.state.isDown = true;
  await openSpool(folder, dead, down.ledger).settle({ capture: aCapture("55555555-5555-4555-8555-555555555555") });
  const { settled, failed } = await adoptSpools(aDatabase(), folder, down.ledger);
  expect([settled, failed.map(({ instanceId, error }) => [instanceId, String(error)])]).toEqual([
    0,
    [[dead, "Error: down"]],
  ]);
  expect(readdirSync(folder)).toEqual([`${dead}.jsonl`]);
});

test("a long spool is sent again, and adopted, in parts that leave room in the ledger's queue", async () => {
  const down = aLedger();
  down.state.isDown = true;
  const spool = openSpool(folder, mine, down.ledger);
  const captures = Array.from({ length: 600 }, (_, n) =>
    aCapture(`55555555-5555-4555-8555-${String(n).padStart(12, "0")}`),
  );
  for (const capture of captures) await spool.settle({ capture });
  const next = aLedger();
  writeFileSync(path.join(folder, `${dead}.jsonl`), readFileSync(file));
  rmSync(file);
  expect(await adoptSpools(aDatabase(), folder, next.ledger)).toMatchObject({ settled: 600, failed: [] });
  expect([next.captured, next.state.mostAtOnce]).toEqual([captures, 256]);
  down.state.isDown = false;
  down.state.mostAtOnce = 0;
  expect(await spool.replay()).toBe(0);
  expect([down.captured, down.state.mostAtOnce]).toEqual([captures, 256]);
});

describe("written ahead of the database", () => {
  const linesOf = () =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as { capture: { id: string } }).capture.id);
  const idOf = (n: number) => `11111111-1111-4111-8111-${String(n).padStart(12, "0")}`;
  const open = (ledger: Ledger, trimBytes?: number) =>
    openSpool(folder, mine, ledger, { writesAhead: true, ...(trimBytes ? { trimBytes } : {}) });

  test("an answer goes on when its charge is in the file, whatever the database does", async () => {
    const { ledger, captured, state } = aLedger();
    state.isStalled = true;
    const spool = open(ledger);
    await Promise.all([spool.settle({ capture: aCapture(idOf(1)) }), spool.settle({ capture: aCapture(idOf(2)) })]);
    expect([linesOf(), captured]).toEqual([[idOf(1), idOf(2)], []]);
  });

  test("what is in the database is no more in the file once nothing else waits", async () => {
    const { ledger, captured } = aLedger();
    const spool = open(ledger);
    const capture = aCapture(idOf(1), { costNanoUsd: 12_345_678_901_234_567n });
    await spool.settle({ capture });
    await spool.caughtUp();
    expect(captured).toEqual([capture]);
    expect([await spool.replay(), existsSync(file)]).toEqual([0, false]);
    await spool.settle({ capture: aCapture(idOf(2)) });
    expect(linesOf()).toEqual([idOf(2)]);
  });

  test("what the process had written and not yet sent when it died is settled by another, exactly", async () => {
    const dying = aLedger();
    dying.state.isStalled = true;
    const capture = aCapture(idOf(1), { costNanoUsd: 12_345_678_901_234_567n });
    await open(dying.ledger).settle({ capture });
    const next = aLedger();
    expect(await adoptSpools(aDatabase(), folder, next.ledger)).toMatchObject({ settled: 1, failed: [] });
    expect([next.captured, readdirSync(folder)]).toEqual([[capture], []]);
  });

  test("what the database refused stays in the file until it has taken it", async () => {
    const { ledger, captured, state } = aLedger();
    state.isDown = true;
    const spool = open(ledger);
    await spool.settle({ capture: aCapture(idOf(1)) });
    await spool.caughtUp();
    expect([spool.size(), await spool.replay(), linesOf()]).toEqual([1, 1, [idOf(1)]]);
    state.isDown = false;
    expect([await spool.replay(), spool.size(), captured.length, existsSync(file)]).toEqual([0, 0, 1, false]);
  });

  test("a file that has grown is written anew with what is not known to be in the database, and no more", async () => {
    const { ledger, state } = aLedger();
    const spool = open(ledger, 2_000);
    state.isDown = true;
    await spool.settle({ capture: aCapture(idOf(0)) });
    await spool.caughtUp();
    state.isDown = false;
    for (let n = 1; n <= 40; n++) {
      await spool.settle({ capture: aCapture(idOf(n)) });
      await spool.caughtUp();
      expect(readFileSync(file).length).toBeLessThan(2_500);
      expect(linesOf()).toContain(idOf(0));
      expect(linesOf()).toContain(idOf(n));
    }
    expect(readdirSync(folder)).toEqual([`${mine}.jsonl`]);
  });

  test.skipIf(!existsSync("/dev/full"))(
    "where the disk takes nothing the answer waits for the database; where neither does, no call is begun until one of them does",
    async () => {
      symlinkSync("/dev/full", file);
      const { ledger, captured, state } = aLedger();
      const faults: (string | null)[] = [];
      const spool = openSpool(folder, mine, ledger, {
        writesAhead: true,
        onFault: (fault) => faults.push(fault && (fault as NodeJS.ErrnoException).code!),
      });
      await spool.settle({ capture: aCapture(idOf(1)) });
      await spool.settle({ capture: aCapture(idOf(2)) });
      expect([captured.length, spool.isStuck(), faults]).toEqual([2, false, ["ENOSPC"]]);
      state.isDown = true;
      await spool.settle({ capture: aCapture(idOf(3)) });
      expect([spool.size(), spool.isStuck(), spool.fault()?.message]).toEqual([
        1,
        true,
        expect.stringContaining("ENOSPC"),
      ]);
      // A file beside it can be written, and takes its place.
      expect([await spool.replay(), spool.isStuck(), linesOf()]).toEqual([1, false, [idOf(3)]]);
      state.isDown = false;
      expect([await spool.replay(), captured.length, faults]).toEqual([0, 3, ["ENOSPC", null]]);
    },
  );

  test("a file that somebody took for a dead one's is made again", async () => {
    const { ledger, state } = aLedger();
    state.isDown = true;
    const spool = open(ledger);
    await spool.settle({ capture: aCapture(idOf(1)) });
    await spool.caughtUp();
    rmSync(file);
    await spool.replay();
    expect(linesOf()).toEqual([idOf(1)]);
  });

  test("who waits until all is in the books waits for a database that stands still no longer than a second", async () => {
    const { ledger, state } = aLedger();
    state.isStalled = true;
    const spool = open(ledger);
    await spool.settle({ capture: aCapture(idOf(1)) });
    const startedAtMs = performance.now();
    await spool.caughtUp();
    const tookMs = performance.now() - startedAtMs;
    expect([tookMs > 900, tookMs < 5_000]).toEqual([true, true]);
    let isCaughtUp = false;
    const caughtUp = spool.caughtUp().then(() => (isCaughtUp = true));
    await turn();
    expect(isCaughtUp).toBe(false);
    state.go();
    await turn();
    expect(isCaughtUp).toBe(true);
    await caughtUp;
  });
});

test("whatever words an order has, it is read as it was written", async () => {
  const { ledger, state } = aLedger();
  state.hasReserve = true;
  const words = 'a "quoted\\ \n\u2028 word, \ud83d\ude00 and \u0000';
  const hold = aHold(
    { userId: mine, accountId: mine, apiKeyId: mine, priceVersionId: mine },
    { id: "11111111-1111-7111-8111-111111111111", model: words, tokensBound: 0, amountNanoUsd: 9_007_199_254_740_993n },
  );
  const names = { servedModel: words, serviceTier: words, upstreamRequestId: words, upstreamResponseId: words };
  const capture = aCapture("22222222-2222-7222-8222-222222222222", {
    ...names,
    upstreamId: reserve,
    flags: ["one", "two"],
    isStream: true,
    timeToFirstByteMs: 7,
    usage: { input: 1, cached_input: 2, output: 3 },
    costNanoUsd: 9_007_199_254_740_993n,
  });
  const spool = openSpool(folder, mine, ledger, { writesAhead: true });
  await spool.hold(hold);
  await spool.settle({ capture });
  await spool.settle({ release: living });
  const heir = aLedger();
  expect(await adoptSpools(aDatabase(), folder, heir.ledger)).toMatchObject({ settled: 2, failed: [] });
  expect(heir.captured).toEqual([capture]);
  expect(heir.placed).toEqual([{ hold, reserveId: reserve, instance: { id: mine, epoch: 1n } }]);
});

describe("a hold", () => {
  test("that is drawn is in the file before the upstream is asked, and not asked of the database", async () => {
    const { ledger, placed, state } = aLedger();
    state.hasReserve = true;
    const spool = openSpool(folder, mine, ledger, { writesAhead: true });
    const hold = aHold({ userId: mine, accountId: mine, apiKeyId: mine, priceVersionId: mine });
    state.isDown = true;
    expect(await spool.hold(hold)).toEqual({ outcome: "held", amountNanoUsd: hold.amountNanoUsd, allowance: null });
    expect(readFileSync(file, "utf8")).toContain(hold.id);
    await spool.caughtUp();
    expect(spool.size()).toBe(1);
    state.isDown = false;
    expect(await spool.replay()).toBe(0);
    expect(placed.map(({ hold: { id } }) => id)).toEqual([hold.id]);
    expect(existsSync(file)).toBe(false);
  });

  test("is the database's where there is no reserve, or no journal", async () => {
    const { ledger, state } = aLedger();
    const hold = aHold({ userId: mine, accountId: mine, apiKeyId: mine, priceVersionId: mine });
    await expect(openSpool(folder, mine, ledger, { writesAhead: true }).hold(hold)).rejects.toThrow("not asked");
    state.hasReserve = true;
    await expect(openSpool(folder, mine, ledger).hold(hold)).rejects.toThrow("not asked");
  });

  test("that neither the file nor the database takes is none", async () => {
    const { ledger, placed, state } = aLedger();
    state.hasReserve = true;
    symlinkSync("/dev/full", file);
    const spool = openSpool(folder, mine, ledger, { writesAhead: true });
    const hold = aHold({ userId: mine, accountId: mine, apiKeyId: mine, priceVersionId: mine });
    expect(await spool.hold(hold)).toMatchObject({ outcome: "held" });
    expect(placed).toHaveLength(1);
    state.isDown = true;
    await expect(spool.hold(hold)).rejects.toThrow();
  });
});
