import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { writeSettings } from "@codex-gateway/domain";
import { afterEach, beforeEach, expect, test } from "vitest";
import { textOf } from "./alert-text.ts";
import { createProcessAlerts } from "./process-alerts.ts";

let db: TestDatabase;
beforeEach(async () => void (db = await createTestDatabase()));
afterEach(() => db.drop());

const fault = { name: "TypeError", code: null, frames: ["at f (node:x:1:1)"], origin: "uncaughtException" as const };
const alerts = () => db.prisma.alert.findMany({ orderBy: { createdAt: "asc" }, include: { deliveries: true } });

test("faults are told once in a while, with how many there were, by all processes together", async () => {
  let atMs = 0;
  const options = { quietMs: 60_000, nowMs: () => atMs };
  const one = createProcessAlerts(db, options);
  const other = createProcessAlerts(db, options);
  for (let n = 0; n < 3; n++) one.fault(fault);
  await one.tell();
  other.fault(fault);
  await other.tell();
  expect(await alerts()).toMatchObject([
    { kind: "process_fault", facts: { name: "TypeError", code: null, place: "at f (node:x:1:1)", faults: 3 } },
  ]);
  await db.pool.query("UPDATE alert SET created_at = now() - interval '2 minutes'");
  other.fault(fault);
  atMs += 60_000;
  await other.tell();
  expect((await alerts()).map(({ facts }) => (facts as { faults: number }).faults)).toEqual([3, 2]);
});

test("a death stands as an alert also where nobody is told, and goes out where there is a channel", async () => {
  const events = createProcessAlerts(db, { quietMs: 0 });
  events.death({ exitCode: null, signal: "SIGKILL", isRestarted: true });
  await events.tell();
  await events.tell();
  expect(await alerts()).toMatchObject([{ kind: "process_restarted", deliveries: [] }]);
  await writeSettings(db.pool, { alertWebhookUrl: "https://example.com/alerts" });
  events.death({ exitCode: 70, signal: null, isRestarted: true });
  await events.tell();
  const [, last] = await alerts();
  expect(last).toMatchObject({ deliveries: [{ channel: "webhook" }] });
  const { title, text } = textOf(last as never);
  expect(title).toBe("网关异常退出，已重新启动 · The gateway died and was started again");
  expect(text).toContain("exit code 70");
});
