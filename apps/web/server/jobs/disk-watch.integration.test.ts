import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { textOf } from "../notify/alert-text.ts";
import { createDiskWatch } from "./disk-watch.ts";

let db: TestDatabase;
let folder: string;
beforeEach(async () => {
  db = await createTestDatabase();
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-disk-"));
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await db.drop();
});

test("a disk that fills up is told once, with what takes its room", async () => {
  mkdirSync(path.join(folder, "backups"));
  writeFileSync(path.join(folder, "backups/a.sql.gz"), Buffer.alloc(3_000_000));
  appendFileSync(path.join(folder, "gateway.log.1"), Buffer.alloc(2_000_000));
  const events: string[] = [];
  const log = (_level: string, event: string) => events.push(event);
  const look = createDiskWatch(db, { dataFolder: folder, log, lowMegabytes: Number.MAX_SAFE_INTEGER });
  await look();
  await look();
  expect(events).toEqual(["disk_low"]);
  const alerts = await db.prisma.alert.findMany();
  expect(alerts).toMatchObject([{ kind: "disk_low", facts: { usedMegabytes: { backups: 3, spool: 0, logs: 2 } } }]);
  expect(textOf(alerts[0] as never).text).toContain("backups  3 MB");
});

test("a disk with room is no news, and a folder that is not there neither", async () => {
  await createDiskWatch(db, { dataFolder: folder, log: () => undefined, lowMegabytes: 0 })();
  await createDiskWatch(db, { dataFolder: path.join(folder, "none"), log: () => undefined })();
  expect(await db.prisma.alert.count()).toBe(0);
});

test("the database's log does not grow without end, and its writer goes on", async () => {
  const file = path.join(folder, "postgres.log");
  const writer = openSync(file, "a");
  writeSync(writer, Buffer.alloc(20_000_001, "x"));
  const look = createDiskWatch(db, { dataFolder: folder, log: () => undefined, lowMegabytes: 0 });
  await look();
  writeSync(writer, "later\n");
  await look();
  closeSync(writer);
  expect([statSync(file).size, statSync(`${file}.1`).size]).toEqual([6, 20_000_001]);
});
